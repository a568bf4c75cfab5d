/* Paths to inodes and back (FSDirectory.resolveComponents, INodesInPath, DFSUtil.isValidName). */
#include "common/mem.h"
#include "namenode/snapshot.h"

struct component {
    const char *at;
    size_t length;
};

/* The next component behind *rest, over any number of slashes; false at the end. */
static bool next_component(const char **rest, struct component *out)
{
    const char *p = *rest + strspn(*rest, "/");

    out->at = p;
    out->length = strcspn(p, "/");
    *rest = p + out->length;
    return out->length > 0;
}

static bool is_text(struct component component, const char *text)
{
    return component.length == strlen(text) && memcmp(component.at, text, component.length) == 0;
}

bool path_is_valid(const char *path)
{
    bool inode_path = str_starts(path, "/.reserved/.inodes/");
    size_t depth = 0;

    if (*path != '/') return false;
    for (const char *p = path; *p;) {
        size_t length = strcspn(++p, "/");
        struct component component = {.at = p, .length = length};

        p += length;
        depth++;
        if (!length && p[strspn(p, "/")]) return false;
        if (is_text(component, ".") || memchr(component.at, ':', length)) return false;
        if (is_text(component, "..") && !(inode_path && depth > 3)) return false;
    }
    return true;
}

bool path_is_reserved(const char *path)
{
    return str_eq(path, "/.reserved");
}

/* The path without doubled and trailing slashes: itself when it has none. */
static const char *normalize(const char *path, struct arena *arena)
{
    size_t length = strlen(path);
    struct component component;
    char *text, *end;

    if (length == 1 || (path[length - 1] != '/' && !strstr(path, "//"))) return path;
    text = end = arena_alloc(arena, length + 1);
    while (next_component(&path, &component)) {
        *end++ = '/';
        end = mempcpy(end, component.at, component.length);
    }
    if (end == text) *end++ = '/';
    *end = '\0';
    return text;
}

/* Long.parseLong of the whole component. */
static bool parse_id(struct component text, uint64_t *id)
{
    bool negative = text.length > 1 && *text.at == '-';
    uint64_t value = 0;

    if (text.length > 1 && (*text.at == '-' || *text.at == '+')) text.at++, text.length--;
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || value > (INT64_MAX - 9) / 10) return false;
        value = value * 10 + (uint64_t)(text.at[i] - '0');
    }
    *id = negative ? -value : value;
    return text.length > 0;
}

/* `rest` is what follows "/.reserved/.inodes". Answers the path that it stands for. */
static int resolve_inode_path(const struct tree *tree, const char *path, const char *rest,
                              struct arena *arena, const char **text, struct err *err)
{
    struct component component;
    struct inode *inode;
    uint64_t id;

    if (!next_component(&rest, &component)) return 0;
    if (!parse_id(component, &id))
        return err_set(err, ERR_NOT_FOUND, "Invalid inode path: %s", path);
    inode = inode_find(tree->inodes, id);
    if (!inode)
        return err_set(err, ERR_NOT_FOUND, "File for given inode path does not exist: %s", path);
    const char *after = rest;
    if (next_component(&after, &component) &&
        is_text(component, "..")) { /* NFS looks up parents so */
        inode = inode_parent(tree->inodes, inode);
        *text = inode ? tree_path_of(tree, inode, arena) : "/";
        return 0;
    }
    *text = inode == tree->root && *rest
                ? rest
                : arena_printf(arena, "%s%s", tree_path_of(tree, inode, arena), rest);
    return 0;
}

/* What a path below /.reserved stands for: *text stays when it stands for itself. */
static int resolve_reserved(const struct tree *tree, struct arena *arena, const char **text,
                            bool *raw, struct err *err)
{
    const char *rest = *text, *path = *text;
    struct component component;

    if (!next_component(&rest, &component) || !is_text(component, ".reserved")) return 0;
    if (!next_component(&rest, &component)) return 0;
    if (is_text(component, ".inodes"))
        return resolve_inode_path(tree, path, rest, arena, text, err);
    if (is_text(component, "raw")) {
        *raw = true;
        if (!str_eq(rest, "/.reserved")) *text = *rest ? rest : "/";
    }
    return 0;
}

static void found(const struct tree *tree, struct resolved *out, struct inode *inode,
                  const struct inode *proper)
{
    out->found++;
    out->deepest = inode;
    if (out->way) out->way[out->way_count++] = inode;
    tree_note_seen(tree, proper);
}

/* The way so far, from the root to `at`, with room for the components to come. */
static void start_way(const struct tree *tree, struct resolved *out, struct inode *at,
                      const char *rest, struct arena *arena)
{
    struct component component;
    uint32_t count = out->found + 1, more = 0;

    while (next_component(&rest, &component)) more++;
    out->way = ARENA_ARRAY(arena, struct inode *, count + more + 1);
    out->way_count = count;
    for (uint32_t i = count; i--; at = inode_parent(tree->inodes, at)) out->way[i] = at;
}

/* Behind "<dir>/.snapshot/": the snapshot's name and what it saw below. */
static void walk_snapshot(const struct tree *tree, struct resolved *out, struct inode *dir,
                          const char *rest, struct arena *arena)
{
    const struct snapshot_dir *of = snapshot_dir(tree, dir);
    struct inode *proper = dir, *at = dir; /* at: its attributes; NULL behind what is missing */
    const struct snapshot *snapshot = NULL;
    struct component component;

    start_way(tree, out, dir, rest, arena);
    out->found++; /* ".snapshot" */
    while (next_component(&rest, &component)) {
        out->depth++;
        out->last_name = component.at;
        out->last_length = component.length;
        out->parent = at && inode_is_dir(at) ? at : NULL;
        if (!snapshot) {
            snapshot = of ? snapshot_named(of, component.at, component.length) : NULL;
            out->snapshot = snapshot ? snapshot->id : SNAPSHOT_NONE;
            at = snapshot ? snapshot->root : NULL;
            if (!snapshot) break;
        } else {
            proper = out->parent ? snapshot_child(tree, proper, snapshot->id, component.at,
                                                  component.length)
                                 : NULL;
            at = proper ? snapshot_attributes(tree, proper, snapshot->id) : NULL;
        }
        if (at) found(tree, out, at, proper);
    }
    while (next_component(&rest, &component)) { /* behind a snapshot that is not there */
        out->depth++;
        out->parent = NULL;
        out->last_name = component.at;
        out->last_length = component.length;
    }
    out->inode = at;
    out->proper = at ? proper : NULL;
}

static bool has_snapshots(const struct tree *tree, const struct inode *dir)
{
    return dir && inode_is_dir(dir) && (dir == tree->root || snapshot_dir(tree, dir));
}

static void walk(const struct tree *tree, struct resolved *out, struct arena *arena)
{
    struct inode *at = tree->root;
    const char *rest = out->text;
    struct component component;

    out->deepest = at;
    tree_note_seen(tree, at);
    while (next_component(&rest, &component)) {
        struct inode *dir = at;

        out->depth++;
        out->last_name = component.at;
        out->last_length = component.length;
        out->parent = dir && inode_is_dir(dir) ? dir : NULL;
        if (is_text(component, ".snapshot") && has_snapshots(tree, dir)) {
            if (rest[strspn(rest, "/")]) {
                walk_snapshot(tree, out, dir, rest, arena);
                return;
            }
            out->snapshots_of = dir;
        }
        at = out->parent ? tree_child(tree, dir, component.at, component.length) : NULL;
        if (at) found(tree, out, at, at);
    }
    out->inode = out->proper = at;
}

int resolve_path(const struct tree *tree, const char *path, struct arena *arena,
                 struct resolved *out, struct err *err)
{
    int rc;

    *out = (struct resolved){.last_name = "", .snapshot = SNAPSHOT_CURRENT};
    if (*path != '/')
        return err_set(err, ERR_ASSERTION, "Absolute path required, but got '%s'", path);
    out->text = normalize(path, arena);
    rc = resolve_reserved(tree, arena, &out->text, &out->is_reserved_raw, err);
    if (rc) return rc;
    walk(tree, out, arena);
    return 0;
}

const char *tree_path_of(const struct tree *tree, const struct inode *inode, struct arena *arena)
{
    size_t size = 1, length;
    const struct inode *at = inode;
    char *text, *start;

    for (; at->parent; at = inode_parent(tree->inodes, at)) {
        inode_name(at, &length);
        size += length + 1;
    }
    if (at != tree->root) return NULL;
    if (inode == tree->root) return "/";
    text = arena_alloc(arena, size);
    start = text + size - 1;
    *start = '\0';
    for (at = inode; at->parent; at = inode_parent(tree->inodes, at)) {
        const uint8_t *name = inode_name(at, &length);

        start -= length;
        memcpy(start, name, length);
        *--start = '/';
    }
    assert(start == text);
    return text;
}
