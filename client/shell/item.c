#include "client/shell/item.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/glob.h"
#include "client/shell/uri.h"
#include "common/buf.h"
#include "common/mem.h"
#include "common/path.h"

void item_release(struct item *item)
{
    mem_free(item->display);
    mem_free(item->path);
    fs_status_release(&item->stat);
    *item = (struct item){.vfs = NULL};
}

static void set_status(struct item *item, const struct fs_status *status)
{
    fs_status_release(&item->stat);
    fs_status_copy(&item->stat, status);
    item->exists = true;
}

void item_copy(struct item *to, const struct item *from)
{
    *to = (struct item){
        .vfs = from->vfs, .display = mem_strdup(from->display), .path = mem_strdup(from->path)};
    if (from->exists) set_status(to, &from->stat);
}

struct item *items_add(struct items *items)
{
    GROW(items->items, items->capacity, items->count + 1);
    items->items[items->count] = (struct item){.vfs = NULL};
    return &items->items[items->count++];
}

void items_release(struct items *items)
{
    for (size_t i = 0; i < items->count; i++) item_release(&items->items[i]);
    mem_free(items->items);
    *items = (struct items){.items = NULL};
}

static int compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = strcmp(x->vfs->uri, y->vfs->uri);

    return order ? order : uri_path_compare(x->path, y->path);
}

void items_sort(struct items *items)
{
    if (items->count > 1) qsort(items->items, items->count, sizeof *items->items, compare_items);
}

/* Looks the item up; a missing one is no error. */
static int look_up(struct item *item, struct err *err)
{
    int rc;

    fs_status_release(&item->stat);
    rc = vfs_stat(item->vfs, item->path, &item->stat, err);
    item->exists = rc == 0;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* An item without a status. `display` is taken over. */
static int init_item(struct shell *shell, char *display, struct item *item, struct err *err)
{
    struct uri uri;
    int rc;

    *item = (struct item){.display = display};
    uri_parse_display(&uri, display);
    rc = shell_vfs(shell, uri.scheme, uri.authority, &item->vfs, err);
    if (!rc) item->path = uri_path_absolute(item->vfs->working_dir, uri.path);
    uri_release(&uri);
    return rc;
}

int item_open(struct shell *shell, const char *text, struct item *item, struct err *err)
{
    struct uri uri;
    int rc = uri_parse(&uri, text, err); /* complains where Path does */

    *item = (struct item){.vfs = NULL};
    if (rc) return rc;
    uri_release(&uri);
    rc = init_item(shell, mem_strdup(text), item, err);
    return rc ? rc : look_up(item, err);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

static char *decode_escapes(const char *text)
{
    char *decoded = mem_alloc(strlen(text) + 1), *to = decoded;

    for (; *text; text++) {
        int high = *text == '%' ? hex_value(text[1]) : -1, low = high < 0 ? -1 : hex_value(text[2]);
        if (low < 0) {
            *to++ = *text;
        } else {
            *to++ = (char)((unsigned)high << 4 | (unsigned)low);
            text += 2;
        }
    }
    *to = '\0';
    return decoded;
}

int item_open_local(struct shell *shell, const char *text, struct item *item, struct err *err)
{
    struct uri uri;

    *item = (struct item){.vfs = shell_local(shell)};
    uri_parse_display(&uri, text);
    if (!*uri.path && !uri.authority) {
        uri_release(&uri);
        err_set(err, ERR_ARGUMENT, "Can not create a Path from an empty string");
        return SHELL_ILLEGAL;
    }
    item->display = mem_strdup(uri.path);
    item->path = uri_path_absolute(item->vfs->working_dir, uri.path);
    if (strchr(uri.path, '%') && access(item->path, F_OK)) {
        mem_free(item->display);
        mem_free(item->path);
        item->display = decode_escapes(uri.path);
        item->path = uri_path_absolute(item->vfs->working_dir, item->display);
    }
    uri_release(&uri);
    return look_up(item, err);
}

int item_refresh(struct item *item, struct err *err)
{
    int rc = look_up(item, err);

    if (rc) return rc;
    return item->exists ? 0 : item_not_found(item, err);
}

static char *child_display(const struct item *directory, const char *name)
{
    const char *path = uri_display_path(directory->display);
    size_t length = strlen(path);

    if (str_eq(directory->display, ".")) return mem_strdup(name);
    return mem_printf("%s%s%s", directory->display, length && path[length - 1] == '/' ? "" : "/",
                      name);
}

void item_entry(const struct item *directory, const struct fs_status *status, struct item *child)
{
    *child =
        (struct item){.vfs = directory->vfs, .display = child_display(directory, status->name)};
    child->path = path_join(directory->path, status->name);
    set_status(child, status);
}

void item_missing_child(const struct item *directory, const char *name, struct item *child)
{
    *child = (struct item){.vfs = directory->vfs, .display = child_display(directory, name)};
    child->path = path_join(directory->path, name);
}

int item_child(const struct item *directory, const char *name, struct item *child, struct err *err)
{
    item_missing_child(directory, name, child);
    return look_up(child, err);
}

int item_suffix(const struct item *item, const char *suffix, struct item *other, struct err *err)
{
    *other = (struct item){.vfs = item->vfs, .display = mem_printf("%s%s", item->display, suffix)};
    other->path = mem_printf("%s%s", item->path, suffix);
    return look_up(other, err);
}

int item_contents(const struct item *directory, struct items *items, struct err *err)
{
    const struct fs_status *status;
    struct vfs_listing *listing;
    int rc;

    if (!directory->exists) return item_not_found(directory, err);
    if (!item_is_dir(directory)) return item_not_directory_error(directory, err);
    rc = vfs_list(directory->vfs, directory->path, &listing, err);
    if (rc) return rc;
    while ((rc = vfs_list_next(listing, &status, err)) > 0)
        item_entry(directory, status, items_add(items));
    vfs_list_close(listing);
    items_sort(items);
    return rc;
}

bool item_represents_directory(const struct item *item)
{
    const char *path = uri_display_path(item->display);
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    return !*name || str_eq(name, ".") || str_eq(name, "..");
}

int item_parent_exists(const struct item *item, bool *exists, struct err *err)
{
    char *parent;
    int rc;

    if (item_represents_directory(item)) return vfs_exists(item->vfs, item->path, exists, err);
    parent = path_parent(item->path);
    if (!parent) {
        *exists = false;
        return 0;
    }
    rc = vfs_exists(item->vfs, parent, exists, err);
    mem_free(parent);
    return rc;
}

/* ---- globs (Globber) ---- */

struct found {
    struct fs_status *statuses;
    size_t count, capacity;
};

static struct fs_status *found_add(struct found *found)
{
    GROW(found->statuses, found->capacity, found->count + 1);
    found->statuses[found->count] = (struct fs_status){.type = 0};
    return &found->statuses[found->count++];
}

static void found_release(struct found *found)
{
    for (size_t i = 0; i < found->count; i++) fs_status_release(&found->statuses[i]);
    mem_free(found->statuses);
    *found = (struct found){.statuses = NULL};
}

/* Adds what matches in one directory. A listing that answers with the path itself is a file's: no
 * match below it. */
static int match_entries(struct vfs *vfs, const char *directory, const struct glob *glob, bool last,
                         struct found *found, struct err *err)
{
    const struct fs_status *status;
    struct vfs_listing *listing;
    int rc = vfs_list(vfs, directory, &listing, err);

    if (rc) return rc == ERR_NOT_FOUND ? 0 : rc;
    while ((rc = vfs_list_next(listing, &status, err)) > 0) {
        if (str_eq(status->path, directory) || (!last && status->type != FS_DIRECTORY)) continue;
        if (glob_match(glob, status->name)) fs_status_copy(found_add(found), status);
    }
    vfs_list_close(listing);
    return rc;
}

static int match_plain(struct vfs *vfs, const char *directory, const char *name,
                       struct found *found, struct err *err)
{
    char *path = path_join(directory, name);
    struct fs_status status;
    int rc = vfs_stat(vfs, path, &status, err);

    mem_free(path);
    if (rc) return rc == ERR_NOT_FOUND ? 0 : rc;
    *found_add(found) = status;
    return 0;
}

/* All matches of the components from `rest` on below `directory` (""  for the root), depth first:
 * the order is made at the end. */
static int match_below(struct vfs *vfs, const char *directory, const char *rest, bool *wild,
                       struct found *found, struct err *err)
{
    size_t length = strcspn(rest, "/");
    char *component = mem_strndup(rest, length), *path = NULL;
    const char *next = rest[length] ? rest + length + 1 : NULL;
    const char *base = *directory ? directory : "/";
    struct found here = {.statuses = NULL};
    struct glob glob;
    int rc = glob_compile(&glob, component, err);

    mem_free(component);
    if (rc) return rc;
    if (glob.wild) *wild = true;
    if (!glob.wild && next) { /* assume that it exists; a later component finds out */
        path = path_join(base, glob.literal);
        rc = match_below(vfs, path, next, wild, found, err);
    } else if (!glob.wild) {
        rc = match_plain(vfs, base, glob.literal, found, err);
    } else if (!next) {
        rc = match_entries(vfs, base, &glob, true, found, err);
    } else {
        rc = match_entries(vfs, base, &glob, false, &here, err);
        for (size_t i = 0; i < here.count && !rc; i++)
            rc = match_below(vfs, here.statuses[i].path, next, wild, found, err);
    }
    mem_free(path);
    found_release(&here);
    glob_release(&glob);
    return rc;
}

static int match_pattern(struct vfs *vfs, const char *pattern, bool *wild, struct found *found,
                         struct err *err)
{
    char *absolute = uri_path_absolute(vfs->working_dir, *pattern ? pattern : ".");
    struct fs_status status;
    int rc;

    if (absolute[1]) {
        rc = match_below(vfs, "", absolute + 1, wild, found, err);
    } else {
        rc = vfs_stat(vfs, "/", &status, err);
        if (!rc) *found_add(found) = status;
        if (rc == ERR_NOT_FOUND) rc = 0;
    }
    mem_free(absolute);
    return rc;
}

/* PathData.relativize: the shortest way from the working directory. */
static char *relative_path(const char *cwd, const char *path, bool directory)
{
    size_t last = 0, i = 0, cwd_length = strlen(cwd), length = strlen(path);
    bool any = false;
    struct buf out = {.data = NULL};
    char *result;

    if (str_eq(cwd, path)) return mem_strdup(".");
    for (;; i++) { /* both with a slash behind, the path only when it is a directory */
        char a = i < cwd_length                                  ? cwd[i]
                 : i == cwd_length && cwd[cwd_length - 1] != '/' ? '/'
                                                                 : '\0';
        char b = i < length                                            ? path[i]
                 : i == length && directory && path[length - 1] != '/' ? '/'
                                                                       : '\0';
        if (!a || a != b) break;
        if (a == '/') {
            last = i;
            any = true;
        }
    }
    assert(any); /* both are absolute */
    for (size_t at = last; at < cwd_length;) {
        buf_put_str(&out, out.length ? "/.." : "..");
        const char *slash = strchr(cwd + at + 1, '/');
        if (!slash) break;
        at = (size_t)(slash - cwd);
    }
    if (last < length && path[last + 1]) {
        if (out.length) buf_put_u8(&out, '/');
        buf_put_str(&out, path + last + 1);
    }
    result = mem_strndup(out.data ? (const char *)out.data : "", out.length);
    buf_release(&out);
    return result;
}

static char *match_display(const struct vfs *vfs, const struct uri *pattern,
                           const struct fs_status *status)
{
    if (pattern->scheme && !pattern->authority)
        return mem_printf("%s://%s", pattern->scheme, status->path);
    if (pattern->scheme) return mem_printf("%s%s", vfs->prefix, status->path);
    if (pattern->path[0] == '/') return mem_strdup(status->path);
    return relative_path(vfs->working_dir, status->path, status->type == FS_DIRECTORY);
}

static char *unescape(const char *pattern)
{
    char *text = mem_alloc(strlen(pattern) + 1), *to = text;

    for (; *pattern; pattern++) {
        if (*pattern == '\\' && pattern[1]) pattern++;
        *to++ = *pattern;
    }
    *to = '\0';
    return text;
}

static int add_matches(struct shell *shell, struct vfs *vfs, const char *pattern,
                       const struct uri *uri, struct found *found, bool plain, struct items *items,
                       struct err *err)
{
    struct items sorted = {.items = NULL};

    if (!found->count && plain) return init_item(shell, unescape(pattern), items_add(items), err);
    for (size_t i = 0; i < found->count; i++) {
        struct item *item = items_add(&sorted);
        item->vfs = vfs;
        item->display = match_display(vfs, uri, &found->statuses[i]);
        item->path = mem_strdup(found->statuses[i].path);
        item->stat = found->statuses[i];
        item->exists = true;
        found->statuses[i] = (struct fs_status){.type = 0};
    }
    items_sort(&sorted);
    for (size_t i = 0; i < sorted.count; i++) *items_add(items) = sorted.items[i];
    mem_free(sorted.items);
    return 0;
}

int item_glob(struct shell *shell, const char *pattern, struct items *items, struct err *err)
{
    struct found found = {.statuses = NULL};
    char **patterns = NULL;
    size_t count = 0;
    bool wild = false;
    struct vfs *vfs;
    struct uri uri;
    int rc = uri_parse(&uri, pattern, err);

    if (rc) return rc;
    rc = shell_vfs(shell, uri.scheme, uri.authority, &vfs, err);
    if (!rc) rc = glob_expand_slashes(uri.path, &patterns, err);
    while (!rc && patterns[count]) rc = match_pattern(vfs, patterns[count++], &wild, &found, err);
    if (!rc) rc = add_matches(shell, vfs, pattern, &uri, &found, !wild && count <= 1, items, err);
    glob_list_free(patterns);
    found_release(&found);
    uri_release(&uri);
    return rc;
}

/* ---- errors ---- */

int item_error(const struct item *item, int code, const char *text, struct err *err)
{
    return err_set(err, code, "`%s': %s", item->display, text);
}

int item_not_found(const struct item *item, struct err *err)
{
    return item_error(item, ERR_NOT_FOUND, "No such file or directory", err);
}

int item_not_found_fully(const struct item *item, struct err *err)
{
    char *full = vfs_qualify(item->vfs, item->path, true);

    if (str_eq(full, item->display))
        item_not_found(item, err);
    else
        err_set(err, ERR_NOT_FOUND, "`%s': No such file or directory: `%s'", item->display, full);
    mem_free(full);
    return ERR_NOT_FOUND;
}

int item_is_directory_error(const struct item *item, struct err *err)
{
    return item_error(item, ERR_EXISTS, "Is a directory", err);
}

int item_not_directory_error(const struct item *item, struct err *err)
{
    return item_error(item, ERR_NOT_DIRECTORY, "Is not a directory", err);
}

int item_exists_error(const struct item *item, struct err *err)
{
    return item_error(item, ERR_EXISTS, "File exists", err);
}

int item_io_error(const struct item *item, struct err *err)
{
    return item_error(item, ERR_IO, "Input/output error", err);
}
