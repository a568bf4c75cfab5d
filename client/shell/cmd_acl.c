/* -getfacl and -setfacl (fs.shell.AclCommands). */
#include "client/shell/acl.h"
#include "client/shell/command.h"
#include "common/mem.h"

static int getfacl_options(struct cmd *cmd, struct args *args, struct err *err)
{
    const struct option options[] = {{"R", &cmd->recursive, NULL}, {NULL, NULL, NULL}};
    int rc = args_parse(args, 0, ARGS_MANY, options, false, err);

    if (rc) return rc;
    if (!args->count) return command_illegal(err, "<path> is missing");
    if (args->count > 1) return command_illegal(err, "Too many arguments");
    return 0;
}

/* What the mask leaves of an entry: the mode's group bits, or in a default list its mask. */
static unsigned effective(const Pb__AclEntry *entry, const struct acl *scope, uint32_t mode)
{
    unsigned mask = mode >> 3 & 7;

    if (entry->scope == PB__ACL_ENTRY__ACL_ENTRY_SCOPE__DEFAULT && scope->count >= 2)
        mask = scope->entries[scope->count - 2]->permissions;
    return entry->permissions & mask;
}

static void print_scope(const struct acl *scope, uint32_t mode)
{
    for (size_t i = 0; i < scope->count; i++) {
        const Pb__AclEntry *entry = scope->entries[i];
        bool masked = entry->name || entry->type == PB__ACL_ENTRY__ACL_ENTRY_TYPE__GROUP;
        acl_print_entry(entry);
        if (scope->count != 3 && masked &&
            effective(entry, scope, mode) != (unsigned)entry->permissions) {
            unsigned bits = effective(entry, scope, mode);
            printf("\t#effective:%c%c%c", bits & 4 ? 'r' : '-', bits & 2 ? 'w' : '-',
                   bits & 1 ? 'x' : '-');
        }
        putchar('\n');
    }
}

static int getfacl_path(struct cmd *cmd, struct item *item, struct err *err)
{
    struct arena arena = {.chunks = NULL};
    struct acl stored, full;
    size_t access_count = 0;
    int rc;

    (void)cmd;
    printf("# file: %s\n# owner: %s\n# group: %s\n", item->display, item->stat.owner,
           item->stat.group);
    if (item->stat.mode & 01000) printf("# flags: --%c\n", item->stat.mode & 1 ? 't' : 'T');
    rc = acl_stored(item, &arena, &stored, err);
    if (!rc) {
        full = acl_full(item->stat.mode, &stored, &arena);
        while (access_count < full.count &&
               full.entries[access_count]->scope == PB__ACL_ENTRY__ACL_ENTRY_SCOPE__ACCESS)
            access_count++;
        print_scope(&(struct acl){full.entries, access_count}, item->stat.mode);
        print_scope(&(struct acl){full.entries + access_count, full.count - access_count},
                    item->stat.mode);
        putchar('\n');
    }
    arena_release(&arena);
    return rc;
}

const struct command command_getfacl = {.options = getfacl_options, .path = getfacl_path};

/* ---- setfacl ---- */

struct setfacl {
    struct cmd cmd;
    bool remove_all, remove_default, modify, remove_some, set;
    struct acl acl, access_acl;
    struct arena arena;
};

static struct setfacl *setfacl_of(struct cmd *cmd)
{
    return CONTAINER_OF(cmd, struct setfacl, cmd);
}

static int check_flags(const struct setfacl *flags, struct err *err)
{
    bool removes = flags->remove_all || flags->remove_default,
         changes = flags->modify || flags->remove_some;

    if ((flags->remove_all && flags->remove_default) || (flags->modify && flags->remove_some) ||
        (removes && changes) || (flags->set && (removes || changes)))
        return command_illegal(err, "Specified flags contains both remove and modify flags");
    return 0;
}

static int take_spec(struct setfacl *setfacl, struct args *args, struct err *err)
{
    int rc;

    if (!setfacl->modify && !setfacl->remove_some && !setfacl->set) return 0;
    if (!args->count) return command_illegal(err, "Missing arguments: <acl_spec> <path>");
    if (args->count < 2) return command_illegal(err, "Missing either <acl_spec> or <path>");
    rc = acl_parse(args_shift(args), !setfacl->remove_some, &setfacl->arena, &setfacl->acl, err);
    if (!rc && !setfacl->acl.count) rc = command_illegal(err, "Missing <acl_spec> entry");
    return rc;
}

static int setfacl_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct setfacl *setfacl = setfacl_of(cmd);
    const struct option options[] = {
        {"b", &setfacl->remove_all, NULL},
        {"k", &setfacl->remove_default, NULL},
        {"R", &cmd->recursive, NULL},
        {"m", &setfacl->modify, NULL},
        {"x", &setfacl->remove_some, NULL},
        {"-set", &setfacl->set, NULL},
        {NULL, NULL, NULL},
    };
    int rc = args_parse(args, 0, ARGS_MANY, options, false, err);

    if (!rc) rc = check_flags(setfacl, err);
    if (!rc) rc = take_spec(setfacl, args, err);
    if (rc) return rc;
    if (!args->count) return command_illegal(err, "<path> is missing");
    if (args->count > 1) return command_illegal(err, "Too many arguments");
    if (!setfacl->remove_all && !setfacl->remove_default && !setfacl->acl.count)
        return command_illegal(err, "Expected one of -b, -k, -m, -x or --set options");
    setfacl->access_acl = acl_access_only(&setfacl->acl, &setfacl->arena);
    return 0;
}

static int setfacl_path(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct setfacl *setfacl = setfacl_of(cmd);
    /* a tree's files cannot have default entries */
    const struct acl *acl =
        cmd->recursive && !item_is_dir(item) ? &setfacl->access_acl : &setfacl->acl;

    if (setfacl->remove_all) return acl_change(item, ACL_REMOVE, NULL, err);
    if (setfacl->remove_default) return acl_change(item, ACL_REMOVE_DEFAULT, NULL, err);
    if (!acl->count) return 0;
    return acl_change(item,
                      setfacl->modify ? ACL_MODIFY
                      : setfacl->set  ? ACL_SET
                                      : ACL_REMOVE_ENTRIES,
                      acl, err);
}

static void setfacl_release(struct cmd *cmd)
{
    arena_release(&setfacl_of(cmd)->arena);
}

const struct command command_setfacl = {.size = sizeof(struct setfacl),
                                        .options = setfacl_options,
                                        .path = setfacl_path,
                                        .release = setfacl_release};
