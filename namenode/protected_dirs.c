#include "namenode/protected_dirs.h"

/* The next path of the comma-separated list, trimmed; NULL at the end. */
static const char *next_dir(const char **rest, struct arena *arena)
{
    static const char blanks[] = " \t\r\n";

    while (**rest) {
        const char *start = *rest + strspn(*rest, blanks), *end = strchrnul(start, ',');

        *rest = *end ? end + 1 : end;
        while (end > start && strchr(blanks, end[-1])) end--;
        if (end > start && *start == '/') return arena_strndup(arena, start, (size_t)(end - start));
    }
    return NULL;
}

static bool is_below(const char *path, const char *dir)
{
    size_t length = strlen(dir);

    return strncmp(path, dir, length) == 0 && path[length] == '/';
}

static int check_one(struct core *core, const struct op *op, const struct resolved *path,
                     const char *dir, struct err *err)
{
    struct resolved protected;
    int rc = resolve_path(&core->tree, dir, op->arena, &protected, err);

    if (rc) return 0; /* a path that can be nothing protects nothing */
    if (str_eq(protected.text, path->text))
        return err_set(err, ERR_ACCESS, "Cannot delete/rename non-empty protected directory %s",
                       path->text);
    if (is_below(protected.text, path->text) && protected.inode && dir_child_count(protected.inode))
        return err_set(err, ERR_ACCESS, "Cannot delete/rename non-empty protected subdirectory %s",
                       protected.text);
    if (core->conf.protect_subdirectories && is_below(path->text, protected.text))
        return err_set(err, ERR_ACCESS,
                       "Cannot delete/rename subdirectory under protected subdirectory %s",
                       protected.text);
    return 0;
}

int protected_dirs_check(struct core *core, const struct op *op, const struct resolved *path,
                         struct err *err)
{
    const char *rest = core->conf.protected_directories, *dir;
    int rc = 0;

    if (str_empty(rest) || !path->inode || !dir_child_count(path->inode)) return 0;
    while (!rc && (dir = next_dir(&rest, op->arena))) rc = check_one(core, op, path, dir, err);
    return rc;
}
