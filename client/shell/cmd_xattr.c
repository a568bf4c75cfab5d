/* -getfattr and -setfattr (fs.shell.XAttrCommands). */
#include "client/shell/command.h"
#include "client/shell/xattr.h"
#include "common/mem.h"

struct getfattr {
    struct cmd cmd;
    const char *name; /* NULL with -d */
    bool dump;
    enum xattr_codec codec;
};

static int one_path(const struct args *args, struct err *err)
{
    if (!args->count) return command_illegal(err, "<path> is missing.");
    if (args->count > 1) return command_illegal(err, "Too many arguments.");
    return 0;
}

static int getfattr_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct getfattr *getfattr = CONTAINER_OF(cmd, struct getfattr, cmd);
    const char *codec = NULL;
    int rc = args_pop_value(args, "-n", &getfattr->name, err);

    if (!rc) rc = args_pop_value(args, "-e", &codec, err);
    if (rc) return rc;
    if (codec && !xattr_codec_parse(codec, &getfattr->codec))
        return command_illegal(err, "Invalid/unsupported encoding option specified: %s", codec);
    cmd->recursive = args_pop_option(args, "-R");
    getfattr->dump = args_pop_option(args, "-d");
    if (!getfattr->dump && !getfattr->name)
        return command_illegal(err, "Must specify '-n name' or '-d' option.");
    return one_path(args, err);
}

static void print_xattr(const struct getfattr *getfattr, const Pb__XAttr *xattr, const char *name)
{
    struct buf text = {.data = NULL};

    buf_put_str(&text, name);
    if (xattr->value.len) {
        buf_put_u8(&text, '=');
        xattr_encode(getfattr->codec, xattr->value.data, xattr->value.len, &text);
    }
    buf_put_u8(&text, '\n');
    fwrite(text.data, 1, text.length, stdout);
    buf_release(&text);
}

static int getfattr_path(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct getfattr *getfattr = CONTAINER_OF(cmd, struct getfattr, cmd);
    const char *name = getfattr->dump ? NULL : getfattr->name;
    struct arena arena = {.chunks = NULL};
    Pb__XAttr **xattrs;
    size_t count = 0;
    int rc;

    printf("# file: %s\n", item->display);
    rc = xattr_get(item, name, &arena, &xattrs, &count, err);
    for (size_t i = 0; i < count && !rc; i++)
        print_xattr(getfattr, xattrs[i], name ? name : xattr_full_name(xattrs[i], &arena));
    arena_release(&arena);
    return rc;
}

const struct command command_getfattr = {
    .size = sizeof(struct getfattr), .options = getfattr_options, .path = getfattr_path};

struct setfattr {
    struct cmd cmd;
    const char *name, *remove;
    bool has_value;
    struct buf value;
};

static int setfattr_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct setfattr *setfattr = CONTAINER_OF(cmd, struct setfattr, cmd);
    const char *value = NULL;
    int rc = args_pop_value(args, "-n", &setfattr->name, err);

    if (!rc) rc = args_pop_value(args, "-v", &value, err);
    if (!rc && value) {
        rc = xattr_decode(value, &setfattr->value, err);
        setfattr->has_value = true;
    }
    if (!rc) rc = args_pop_value(args, "-x", &setfattr->remove, err);
    if (rc) return rc;
    if (setfattr->name && setfattr->remove)
        return command_illegal(err, "Can not specify both '-n name' and '-x name' option.");
    if (!setfattr->name && !setfattr->remove)
        return command_illegal(err, "Must specify '-n name' or '-x name' option.");
    return one_path(args, err);
}

static int setfattr_path(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct setfattr *setfattr = CONTAINER_OF(cmd, struct setfattr, cmd);
    const void *value = setfattr->value.data;

    if (setfattr->remove) return xattr_remove(item, setfattr->remove, err);
    if (setfattr->has_value && !value) value = ""; /* empty, which is not the same as none */
    return xattr_set(item, setfattr->name, value, setfattr->value.length, err);
}

static void setfattr_release(struct cmd *cmd)
{
    buf_release(&CONTAINER_OF(cmd, struct setfattr, cmd)->value);
}

const struct command command_setfattr = {.size = sizeof(struct setfattr),
                                         .options = setfattr_options,
                                         .path = setfattr_path,
                                         .release = setfattr_release};
