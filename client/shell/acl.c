#include "client/shell/acl.h"

#include <stdio.h>
#include <strings.h>

#include "common/mem.h"
#include "client/shell/command.h"
#include "proto/client_namenode.pb-c.h"

enum { ACL_ENTRIES_MAX = 1024, ACL_FIELDS_MAX = 5 };

static const char *const type_names[] = {"user", "group", "mask", "other"};
static const char *const symbols[] = {"---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx"};

static int find(const char *const *names, size_t count, const char *word, bool exact)
{
    for (size_t i = 0; i < count; i++)
        if (exact ? str_eq(names[i], word) : !strcasecmp(names[i], word)) return (int)i;
    return -1;
}

/* Java's String.split(":"): empty fields at the end do not count. Cuts `text` up. */
static size_t split(char *text, char *fields[ACL_FIELDS_MAX])
{
    size_t count = 0, last = 0;

    for (char *at = text; at && count < ACL_FIELDS_MAX;) {
        char *colon = strchr(at, ':');
        if (colon) *colon++ = '\0';
        fields[count++] = at;
        if (*at) last = count;
        at = colon;
    }
    return last;
}

static int parse_entry(const char *text, bool with_permission, struct arena *arena,
                       Pb__AclEntry *entry, struct err *err)
{
    char *fields[ACL_FIELDS_MAX];
    size_t count = split(arena_strdup(arena, text), fields), at = 0;
    int type, permission = 0;

    pb__acl_entry__init(entry);
    if (count && str_eq(fields[0], "default")) {
        entry->scope = PB__ACL_ENTRY__ACL_ENTRY_SCOPE__DEFAULT;
        at++;
    }
    if (count <= at) return command_illegal(err, "Invalid <aclSpec> : %s", text);
    type = find(type_names, ARRAY_LEN(type_names), fields[at++], false);
    if (type < 0) return command_illegal(err, "Invalid type of acl in <aclSpec> :%s", text);
    if (count > at && *fields[at]) entry->name = fields[at];
    if (count > at) at++;
    if (with_permission) {
        if (count <= at) return command_illegal(err, "Invalid <aclSpec> : %s", text);
        permission = find(symbols, ARRAY_LEN(symbols), fields[at++], true);
        if (permission < 0)
            return command_illegal(err, "Invalid permission in <aclSpec> : %s", text);
    }
    if (count > at) return command_illegal(err, "Invalid <aclSpec> : %s", text);
    entry->type = (Pb__AclEntry__AclEntryType)type;
    entry->permissions = (Pb__AclEntry__FsAction)permission;
    return 0;
}

int acl_parse(const char *spec, bool with_permission, struct arena *arena, struct acl *acl,
              struct err *err)
{
    *acl = (struct acl){ARENA_ARRAY(arena, Pb__AclEntry *, ACL_ENTRIES_MAX), 0};
    while (*spec) {
        size_t length = strcspn(spec, ",");
        if (length && acl->count == ACL_ENTRIES_MAX)
            return command_illegal(err, "Too many entries in <aclSpec>");
        if (length) {
            Pb__AclEntry *entry = ARENA_NEW(arena, Pb__AclEntry);
            int rc =
                parse_entry(arena_strndup(arena, spec, length), with_permission, arena, entry, err);
            if (rc) return rc;
            acl->entries[acl->count++] = entry;
        }
        spec += length + (spec[length] == ',');
    }
    return 0;
}

struct acl acl_access_only(const struct acl *acl, struct arena *arena)
{
    struct acl some = {ARENA_ARRAY(arena, Pb__AclEntry *, acl->count + 1), 0};

    for (size_t i = 0; i < acl->count; i++)
        if (acl->entries[i]->scope == PB__ACL_ENTRY__ACL_ENTRY_SCOPE__ACCESS)
            some.entries[some.count++] = acl->entries[i];
    return some;
}

static int need_hdfs(const struct item *item, const char *method, struct err *err)
{
    if (!vfs_is_local(item->vfs)) return 0;
    err_set(err, ERR_UNSUPPORTED,
            "java.lang.UnsupportedOperationException: RawLocalFileSystem doesn't support %s",
            method);
    return SHELL_FATAL;
}

int acl_stored(const struct item *item, struct arena *arena, struct acl *acl, struct err *err)
{
    Pb__GetAclStatusRequest request = PB__GET_ACL_STATUS_REQUEST__INIT;
    Pb__GetAclStatusResponse *response;
    int rc;

    *acl = (struct acl){NULL, 0};
    if (!(item->stat.flags & FS_HAS_ACL)) return 0;
    request.src = item->path;
    rc = fs_call(item->vfs->hdfs, "getAclStatus", &request,
                 &pb__get_acl_status_response__descriptor, arena, &response, err);
    if (!rc) *acl = (struct acl){response->result->entries, response->result->n_entries};
    return rc;
}

static void add_implied(struct acl *acl, struct arena *arena, Pb__AclEntry__AclEntryType type,
                        uint32_t bits)
{
    Pb__AclEntry *entry = ARENA_NEW(arena, Pb__AclEntry);

    pb__acl_entry__init(entry);
    entry->type = type;
    entry->permissions = (Pb__AclEntry__FsAction)(bits & 7);
    acl->entries[acl->count++] = entry;
}

struct acl acl_full(uint32_t mode, const struct acl *stored, struct arena *arena)
{
    struct acl acl = {ARENA_ARRAY(arena, Pb__AclEntry *, stored->count + 3), 0};
    size_t i = 0;

    add_implied(&acl, arena, PB__ACL_ENTRY__ACL_ENTRY_TYPE__USER, mode >> 6);
    for (; i < stored->count && stored->entries[i]->scope == PB__ACL_ENTRY__ACL_ENTRY_SCOPE__ACCESS;
         i++)
        acl.entries[acl.count++] = stored->entries[i];
    add_implied(&acl, arena,
                i ? PB__ACL_ENTRY__ACL_ENTRY_TYPE__MASK : PB__ACL_ENTRY__ACL_ENTRY_TYPE__GROUP,
                mode >> 3);
    add_implied(&acl, arena, PB__ACL_ENTRY__ACL_ENTRY_TYPE__OTHER, mode);
    for (; i < stored->count; i++) acl.entries[acl.count++] = stored->entries[i];
    return acl;
}

void acl_print_entry(const Pb__AclEntry *entry)
{
    printf("%s%s:%s:%s", entry->scope == PB__ACL_ENTRY__ACL_ENTRY_SCOPE__DEFAULT ? "default:" : "",
           type_names[entry->type & 3], entry->name ? entry->name : "",
           symbols[entry->permissions & 7]);
}

/* The requests with a list are alike but for their names. */
int acl_change(const struct item *item, enum acl_change change, const struct acl *acl,
               struct err *err)
{
    static const char *const methods[] = {"modifyAclEntries", "removeAclEntries",
                                          "removeDefaultAcl", "removeAcl", "setAcl"};
    Pb__ModifyAclEntriesRequest modify = PB__MODIFY_ACL_ENTRIES_REQUEST__INIT;
    Pb__RemoveAclEntriesRequest remove_entries = PB__REMOVE_ACL_ENTRIES_REQUEST__INIT;
    Pb__RemoveDefaultAclRequest remove_default = PB__REMOVE_DEFAULT_ACL_REQUEST__INIT;
    Pb__RemoveAclRequest remove_acl = PB__REMOVE_ACL_REQUEST__INIT;
    Pb__SetAclRequest set = PB__SET_ACL_REQUEST__INIT;
    const void *request;
    struct arena arena = {.chunks = NULL};
    Pb__SetAclResponse *response; /* all five are empty */
    int rc = need_hdfs(item, methods[change], err);

    if (rc) return rc;
    modify.src = remove_entries.src = remove_default.src = remove_acl.src = set.src = item->path;
    if (acl) {
        modify.aclspec = remove_entries.aclspec = set.aclspec = acl->entries;
        modify.n_aclspec = remove_entries.n_aclspec = set.n_aclspec = acl->count;
    }
    switch (change) {
    case ACL_MODIFY: request = &modify; break;
    case ACL_REMOVE_ENTRIES: request = &remove_entries; break;
    case ACL_REMOVE_DEFAULT: request = &remove_default; break;
    case ACL_REMOVE: request = &remove_acl; break;
    default: request = &set;
    }
    rc = fs_call(item->vfs->hdfs, methods[change], request, &pb__set_acl_response__descriptor,
                 &arena, &response, err);
    arena_release(&arena);
    return rc;
}

int acl_copy(const struct item *src, const struct item *target, struct err *err)
{
    struct arena arena = {.chunks = NULL};
    struct acl stored, full;
    int rc = acl_stored(src, &arena, &stored, err);

    if (!rc) {
        full = acl_full(src->stat.mode, &stored, &arena);
        rc = acl_change(target, ACL_SET, &full, err);
    }
    arena_release(&arena);
    return rc;
}
