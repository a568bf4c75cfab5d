/*
 * A path as the user wrote it, with what the file system says about it (PathData). What is printed
 * is the user's form: relative paths stay relative, a scheme stays where one was given. One thread.
 */
#ifndef CLIENT_SHELL_ITEM_H
#define CLIENT_SHELL_ITEM_H

#include "client/fs.h"
#include "client/shell/shell.h"
#include "client/shell/vfs.h"

/* Zeroed is empty. Owns its strings and status. */
struct item {
    struct vfs *vfs;
    char *display;
    char *path;            /* absolute, without scheme */
    struct fs_status stat; /* zeroed unless `exists` */
    bool exists;
};

struct items {
    struct item *items;
    size_t count, capacity;
};

void item_release(struct item *item);
void item_copy(struct item *to, const struct item *from);
struct item *items_add(struct items *items); /* a zeroed one at the end */
void items_release(struct items *items);
void items_sort(struct items *items); /* by path, as PathData.compareTo */

/* One path without wildcards. A missing one is no error. */
int item_open(struct shell *shell, const char *text, struct item *item, struct err *err) MUST_CHECK;
/* A local path, as the source of put and the destination of get are. Of "file:/a%20b" the escapes
 * are decoded unless a file has that very name. */
int item_open_local(struct shell *shell, const char *text, struct item *item,
                    struct err *err) MUST_CHECK;
/* PathData.expandAsGlob: what matches, sorted; one missing item for a plain name that does not
 * exist; nothing for wildcards without a match. Appends. */
int item_glob(struct shell *shell, const char *pattern, struct items *items,
              struct err *err) MUST_CHECK;

/* Asks again. ERR_NOT_FOUND "`x': No such file or directory" when it is gone; the item then does
 * not exist. */
int item_refresh(struct item *item, struct err *err) MUST_CHECK;
/* The item `name` in a directory, looked up. */
int item_child(const struct item *directory, const char *name, struct item *child,
               struct err *err) MUST_CHECK;
/* The same without looking, for one that cannot be there. */
void item_missing_child(const struct item *directory, const char *name, struct item *child);
/* The same for an entry whose status is known; copies it. */
void item_entry(const struct item *directory, const struct fs_status *status, struct item *child);
int item_suffix(const struct item *item, const char *suffix, struct item *other,
                struct err *err) MUST_CHECK;
/* All entries of a directory, sorted; "`x': Is not a directory". Appends. */
int item_contents(const struct item *directory, struct items *items, struct err *err) MUST_CHECK;

bool item_represents_directory(const struct item *item); /* ends with "/", "/." or "/.." */
int item_parent_exists(const struct item *item, bool *exists, struct err *err) MUST_CHECK;
static inline bool item_is_dir(const struct item *item)
{
    return item->stat.type == FS_DIRECTORY;
}
static inline bool item_is_file(const struct item *item)
{
    return item->stat.type == FS_FILE;
}

/* PathIOException and its kin: "`display': text". */
int item_error(const struct item *item, int code, const char *text, struct err *err);
int item_not_found(const struct item *item, struct err *err);
int item_not_found_fully(const struct item *item, struct err *err); /* with the full URI behind */
int item_is_directory_error(const struct item *item, struct err *err);
int item_not_directory_error(const struct item *item, struct err *err);
int item_exists_error(const struct item *item, struct err *err);
int item_io_error(const struct item *item, struct err *err);

#endif
