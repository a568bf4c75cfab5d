/* Statuses, listings and globs. */
#include <stdlib.h>
#include <strings.h>

#include "client/fs_state.h"
#include "client/glob.h"
#include "client/located.h"

static const char *const storage_types[FS_STORAGE_TYPES] = {
    [PB__STORAGE_TYPE__DISK] = "DISK",         [PB__STORAGE_TYPE__SSD] = "SSD",
    [PB__STORAGE_TYPE__ARCHIVE] = "ARCHIVE",   [PB__STORAGE_TYPE__RAM_DISK] = "RAM_DISK",
    [PB__STORAGE_TYPE__PROVIDED] = "PROVIDED", [PB__STORAGE_TYPE__NVDIMM] = "NVDIMM",
};

const char *fs_storage_type_name(int type)
{
    return type > 0 && type < FS_STORAGE_TYPES ? storage_types[type] : "?";
}

int fs_storage_type_parse(const char *name)
{
    for (int i = 1; i < FS_STORAGE_TYPES; i++)
        if (strcasecmp(name, storage_types[i]) == 0) return i;
    return 0;
}

/* Built-in policies travel as their id alone. */
const char *fs_ec_policy_name(const Pb__ErasureCodingPolicy *policy)
{
    static const char *const names[] = {"replication",         "RS-6-3-1024k",  "RS-3-2-1024k",
                                        "RS-LEGACY-6-3-1024k", "XOR-2-1-1024k", "RS-10-4-1024k"};

    if (!policy) return "";
    if (policy->name) return policy->name;
    return policy->id < ARRAY_LEN(names) ? names[policy->id] : "?";
}

char *fs_bytes_string(const ProtobufCBinaryData *bytes)
{
    return mem_strndup(bytes->len ? (const char *)bytes->data : "", bytes->len);
}

/* ---- struct fs_status ---- */

/* All strings live in one block, which `path` points to. */
static void put_strings(struct fs_status *status, const char *const strings[5])
{
    char **fields[5] = {&status->path, &status->owner, &status->group, &status->symlink,
                        &status->ec_policy};
    size_t total = 0;

    for (int i = 0; i < 5; i++) total += strlen(strings[i]) + 1;
    char *memory = mem_alloc(total);
    for (int i = 0; i < 5; i++) {
        size_t size = strlen(strings[i]) + 1;
        *fields[i] = memcpy(memory, strings[i], size);
        memory += size;
    }
    status->name = strrchr(status->path, '/');
    status->name = status->name ? status->name + 1 : status->path;
}

/* A hostile name must not climb out of the directory that a recursive copy thinks it is in. */
static bool bad_entry_name(const ProtobufCBinaryData *name)
{
    if (memchr(name->data, '\0', name->len) || memchr(name->data, '/', name->len)) return true;
    return (name->len == 1 && name->data[0] == '.') ||
           (name->len == 2 && name->data[0] == '.' && name->data[1] == '.');
}

int fs_status_decode(struct fs_status *status, const Pb__HdfsFileStatus *from,
                     const char *directory, struct err *err)
{
    *status = (struct fs_status){
        .type = (enum fs_type)from->filetype,
        .mode = from->permission->perm & 01777,
        .flags = from->flags,
        .replication = from->block_replication,
        .children = from->childrennum,
        .storage_policy = from->storagepolicy,
        .length = from->length,
        .block_size = from->blocksize,
        .file_id = from->fileid,
        .mtime_ms = (int64_t)from->modification_time,
        .atime_ms = (int64_t)from->access_time,
    };
    if (from->path.len && bad_entry_name(&from->path))
        return err_set(err, ERR_BAD_MESSAGE, "the namenode sent an impossible name in %s",
                       directory);
    char *path = from->path.len ? mem_printf("%s/%.*s", str_eq(directory, "/") ? "" : directory,
                                             (int)from->path.len, (char *)from->path.data)
                                : mem_strdup(directory);
    char *symlink = fs_bytes_string(&from->symlink);
    put_strings(status, (const char *const[]){path, from->owner, from->group, symlink,
                                              fs_ec_policy_name(from->ecpolicy)});
    mem_free(path);
    mem_free(symlink);
    return 0;
}

void fs_status_release(struct fs_status *status)
{
    mem_free(status->path);
    fs_blocks_free(status->blocks);
    *status = (struct fs_status){0};
}

void fs_status_copy(struct fs_status *to, const struct fs_status *from)
{
    *to = *from;
    to->blocks = NULL; /* a listing's locations stay with the listing */
    put_strings(to, (const char *const[]){from->path, from->owner, from->group, from->symlink,
                                          from->ec_policy});
}

void fs_statuses_free(struct fs_status *statuses, size_t count)
{
    for (size_t i = 0; i < count; i++) fs_status_release(&statuses[i]);
    mem_free(statuses);
}

/* ---- stat ---- */

int fs_stat(struct fs *fs, const char *path, struct fs_status *status, struct err *err)
{
    Pb__GetFileInfoRequest request = PB__GET_FILE_INFO_REQUEST__INIT;
    Pb__GetFileInfoResponse *response;
    struct arena arena = {0};

    *status = (struct fs_status){0};
    request.src = (char *)(uintptr_t)path;
    int rc = fs_check_path(path, err);
    if (!rc)
        rc = fs_call(fs, "getFileInfo", &request, &pb__get_file_info_response__descriptor, &arena,
                     &response, err);
    if (!rc && !response->fs) rc = err_set(err, ERR_NOT_FOUND, "File does not exist: %s", path);
    if (!rc) rc = fs_status_decode(status, response->fs, path, err);
    arena_release(&arena);
    return rc;
}

int fs_stat_link(struct fs *fs, const char *path, struct fs_status *status, struct err *err)
{
    Pb__GetFileLinkInfoRequest request = PB__GET_FILE_LINK_INFO_REQUEST__INIT;
    Pb__GetFileLinkInfoResponse *response;
    struct arena arena = {0};

    *status = (struct fs_status){0};
    request.src = (char *)(uintptr_t)path;
    int rc = fs_check_path(path, err);
    if (!rc)
        rc = fs_call(fs, "getFileLinkInfo", &request, &pb__get_file_link_info_response__descriptor,
                     &arena, &response, err);
    if (!rc && !response->fs) rc = err_set(err, ERR_NOT_FOUND, "File does not exist: %s", path);
    if (!rc) rc = fs_status_decode(status, response->fs, path, err);
    arena_release(&arena);
    return rc;
}

int fs_exists(struct fs *fs, const char *path, struct err *err)
{
    struct fs_status status;

    int rc = fs_stat(fs, path, &status, err);
    if (rc == ERR_NOT_FOUND) return 0;
    if (rc) return rc;
    fs_status_release(&status);
    return 1;
}

/* ---- listings ---- */

struct fs_listing {
    struct fs *fs;
    char *path;
    bool with_blocks;
    struct arena arena; /* of the present page */
    Pb__DirectoryListing *page;
    size_t next;
    struct fs_status status; /* the entry given out last */
};

static int fetch_page(struct fs_listing *listing, const ProtobufCBinaryData *after, struct err *err)
{
    Pb__GetListingRequest request = PB__GET_LISTING_REQUEST__INIT;
    Pb__GetListingResponse *response;
    struct arena arena = {0};

    request.src = listing->path;
    request.startafter = *after;
    request.needlocation = listing->with_blocks;
    int rc = fs_call(listing->fs, "getListing", &request, &pb__get_listing_response__descriptor,
                     &arena, &response, err);
    if (!rc && !response->dirlist)
        rc = err_set(err, ERR_NOT_FOUND, "File %s does not exist.", listing->path);
    if (rc) {
        arena_release(&arena);
        return rc;
    }
    arena_release(&listing->arena); /* held the name to start after */
    listing->arena = arena;
    listing->page = response->dirlist;
    listing->next = 0;
    return 0;
}

int fs_list(struct fs *fs, const char *path, bool with_blocks, struct fs_listing **result,
            struct err *err)
{
    const ProtobufCBinaryData start = {0};

    int rc = fs_check_path(path, err);
    if (rc) return rc;
    struct fs_listing *listing = NEW(struct fs_listing);
    listing->fs = fs;
    listing->path = mem_strdup(path);
    listing->with_blocks = with_blocks;
    rc = fetch_page(listing, &start, err);
    if (rc) {
        fs_list_close(listing);
        return rc;
    }
    *result = listing;
    return 0;
}

static int decode_blocks(struct fs_status *status, Pb__LocatedBlocks *blocks, struct err *err)
{
    struct located located = {.blocks = blocks};

    int rc = located_check(&located, err);
    if (!rc) status->blocks = located_public(&located);
    return rc;
}

int fs_list_next(struct fs_listing *listing, const struct fs_status **status, struct err *err)
{
    Pb__DirectoryListing *page = listing->page;

    fs_status_release(&listing->status);
    while (listing->next == page->n_partiallisting) {
        if (!page->remainingentries || !page->n_partiallisting) return 0;
        int rc = fetch_page(listing, &page->partiallisting[page->n_partiallisting - 1]->path, err);
        if (rc == ERR_NOT_FOUND) return 0; /* deleted meanwhile: what was listed is all there is */
        if (rc < 0) return rc;
        page = listing->page;
    }
    const Pb__HdfsFileStatus *from = page->partiallisting[listing->next++];
    int rc = fs_status_decode(&listing->status, from, listing->path, err);
    if (!rc && from->locations) rc = decode_blocks(&listing->status, from->locations, err);
    if (rc < 0) return rc;
    *status = &listing->status;
    return 1;
}

void fs_list_close(struct fs_listing *listing)
{
    if (!listing) return;
    fs_status_release(&listing->status);
    arena_release(&listing->arena);
    mem_free(listing->path);
    mem_free(listing);
}

/* ---- globs ---- */

struct statuses {
    struct fs_status *items;
    size_t count, capacity;
};

struct paths {
    char **items;
    size_t count, capacity;
};

static void add_path(struct paths *paths, char *path)
{
    GROW(paths->items, paths->capacity, paths->count + 1);
    paths->items[paths->count++] = path;
}

static void paths_release(struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++) mem_free(paths->items[i]);
    mem_free(paths->items);
    *paths = (struct paths){0};
}

static void add_status(struct statuses *statuses, const struct fs_status *status)
{
    GROW(statuses->items, statuses->capacity, statuses->count + 1);
    fs_status_copy(&statuses->items[statuses->count++], status);
}

static char *join(const char *directory, const char *name)
{
    return mem_printf("%s/%s", directory, name);
}

/* A last component without wildcards: is it there? */
static int glob_stat(struct fs *fs, const char *path, struct statuses *found, struct err *err)
{
    struct fs_status status;

    int rc = fs_stat(fs, *path ? path : "/", &status, err);
    if (rc == ERR_NOT_FOUND) return 0;
    if (rc) return rc;
    add_status(found, &status);
    fs_status_release(&status);
    return 0;
}

/* Entries of one directory that match: to `found` when this is the last component, else directories
 * to `next`. */
static int glob_list(struct fs *fs, const char *directory, const struct glob *glob, bool last,
                     struct statuses *found, struct paths *next, struct err *err)
{
    const char *path = *directory ? directory : "/";
    const struct fs_status *entry;
    struct fs_listing *listing;

    int rc = fs_list(fs, path, false, &listing, err);
    if (rc == ERR_NOT_FOUND) return 0;
    if (rc) return rc;
    while ((rc = fs_list_next(listing, &entry, err)) == 1) {
        if (str_eq(entry->path, path)) continue; /* a file answers with itself */
        if (!glob_match(glob, entry->name)) continue;
        if (last)
            add_status(found, entry);
        else if (entry->type != FS_FILE)
            add_path(next, mem_strdup(entry->path));
    }
    fs_list_close(listing);
    return rc;
}

static int glob_component(struct fs *fs, const char *component, bool last, struct paths *candidates,
                          struct statuses *found, struct err *err)
{
    struct paths next = {0};
    struct glob glob;

    int rc = glob_compile(&glob, component, err);
    if (rc) return rc;
    for (size_t i = 0; i < candidates->count && !rc; i++) {
        char *path = glob.wild ? NULL : join(candidates->items[i], glob.literal);
        if (glob.wild)
            rc = glob_list(fs, candidates->items[i], &glob, last, found, &next, err);
        else if (last)
            rc = glob_stat(fs, path, found, err);
        else
            add_path(&next, mem_strdup(path));
        mem_free(path);
    }
    glob_release(&glob);
    paths_release(candidates);
    *candidates = next;
    return rc;
}

/* One pattern whose slashes are all outside of braces. */
static int glob_pattern(struct fs *fs, char *pattern, struct statuses *found, struct err *err)
{
    struct paths candidates = {0};
    int rc = 0;

    add_path(&candidates, mem_strdup(""));
    pattern += strspn(pattern, "/");
    if (!*pattern) rc = glob_stat(fs, "/", found, err);
    while (*pattern && !rc) {
        size_t length = strcspn(pattern, "/");
        char *component = mem_strndup(pattern, length);
        pattern += length;
        pattern += strspn(pattern, "/");
        rc = glob_component(fs, component, !*pattern, &candidates, found, err);
        mem_free(component);
    }
    paths_release(&candidates);
    return rc;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const struct fs_status *)a)->path, ((const struct fs_status *)b)->path);
}

int fs_glob(struct fs *fs, const char *pattern, struct fs_status **result, size_t *count,
            struct err *err)
{
    struct statuses found = {0};
    char **patterns;

    *result = NULL;
    *count = 0;
    int rc = fs_check_path(pattern, err);
    if (rc) return rc;
    rc = glob_expand_slashes(pattern, &patterns, err);
    if (rc) return rc;
    for (size_t i = 0; patterns[i] && !rc; i++) rc = glob_pattern(fs, patterns[i], &found, err);
    glob_list_free(patterns);
    if (rc) {
        fs_statuses_free(found.items, found.count);
        return rc;
    }
    if (found.count) qsort(found.items, found.count, sizeof *found.items, compare_paths);
    *result = found.items;
    *count = found.count;
    return 0;
}
