/*
 * The identity files of a data folder: current/VERSION, and current/<pool>/current/VERSION with the
 * folders of a block pool. Formats what is empty, refuses what belongs elsewhere. Answers Hadoop's
 * DataStorage and BlockPoolSliceStorage.
 *
 * Blocking; the owner's thread.
 */
#ifndef DATANODE_DN_STORAGE_H
#define DATANODE_DN_STORAGE_H

#include "common/rand.h"
#include "datanode/volume.h"

enum { DN_LAYOUT_VERSION = -57, DN_LAYOUT_OLDEST = -55 }; /* of Hadoop 2.7, of 2.4 */
enum { POOL_ID_MAX = 128, CLUSTER_ID_MAX = 128, DN_UUID_MAX = 64 };

/* What a namenode says about its namespace. */
struct namespace_info {
    char pool_id[POOL_ID_MAX];
    char cluster_id[CLUSTER_ID_MAX];
    uint32_t namespace_id;
    uint64_t ctime;
};

/* Checks and copies: the pool's id becomes a folder's name. ERR_BAD_MESSAGE. */
int namespace_info_set(struct namespace_info *info, const char *pool_id, const char *cluster_id,
                       uint32_t namespace_id, uint64_t ctime, struct err *err) MUST_CHECK;

/* Whether a namenode of this version can be served. ERR_INCORRECT_VERSION in Hadoop's words. */
int namespace_info_check_version(const char *software, struct err *err) MUST_CHECK;
/* Whether a namenode that is met again serves the same, at the same time. ERR_INCONSISTENT_STATE. */
int namespace_info_check_same(const struct namespace_info *known, const struct namespace_info *now,
                              struct err *err) MUST_CHECK;

/* Reads current/VERSION: fills volume->uuid, and `uuid` when that is "" (else they must agree).
 * Leaves both as they are, with success, where the folder is not formatted. With `info`, the
 * cluster must be its. */
int dn_storage_read(struct volume *volume, char uuid[DN_UUID_MAX],
                    const struct namespace_info *info, struct err *err) MUST_CHECK;
/* Writes current/VERSION of a folder that has none, with a new storage id. */
int dn_storage_format(struct volume *volume, const char *uuid, const struct namespace_info *info,
                      struct err *err) MUST_CHECK;
/* How to start: as the folders are, or back to what there was before an upgrade. */
enum dn_startup { DN_REGULAR, DN_ROLLBACK };
/* Whether the pool's folders are, or can be made, the namespace's; what a crash interrupted is completed or taken back. ERR_IO and others in
 * Hadoop's words. A pool that is not there is fine. */
int dn_storage_check_pool(const struct volume *volume, const struct namespace_info *info,
                          enum dn_startup startup, struct err *err) MUST_CHECK;
/* After the check: makes, upgrades or rolls back the folders of the pool. */
int dn_storage_open_pool(struct volume *volume, const struct namespace_info *info,
                         enum dn_startup startup, struct err *err) MUST_CHECK;
/* After the last upgrade: what there was before goes. Any thread. */
int dn_storage_finalize_pool(const struct volume *volume, const char *pool_id,
                             struct err *err) MUST_CHECK;
/* <dir>/current/<pool>, for mem_free(). */
char *dn_storage_pool_dir(const struct volume *volume, const char *pool_id);

#endif
