#include "namenode/core.h"

#include <stdlib.h>

#include "common/log.h"
#include "common/user.h"
#include "namenode/block_manager.h"
#include "namenode/cache_pool.h"
#include "namenode/ec_policy.h"
#include "namenode/hosts.h"
#include "namenode/op.h"
#include "namenode/placement.h"
#include "namenode/retry_cache.h"
#include "namenode/safemode.h"
#include "namenode/storage_policy.h"
#include "namenode/topology.h"
#include "namenode/token_store.h"

enum {
    REPLICATION_LIMIT = 1023, /* what an inode and a block hold */
    RETRY_CACHE_BYTES = 32 << 20,
    XATTR_SIZE_HARD_LIMIT = 32768, /* DFS_NAMENODE_MAX_XATTR_SIZE_HARD_LIMIT */
};

/* ---- life ---- */

int core_init(struct core *core, struct err *err)
{
    int rc = tree_init(&core->tree);

    if (rc) return err_set(err, rc, "an empty tree cannot be made");
    core->blocks = block_map_new();
    core->manager = block_manager_new();
    dn_table_init(&core->datanodes);
    if (core->conf.placement == PLACEMENT_NODE_GROUP)
        topology_use_node_groups(core->datanodes.topology);
    core->leases = lease_table_new();
    core->retry_cache = retry_cache_new(core->conf.retry_cache_expiry_ms, RETRY_CACHE_BYTES);
    core->safemode = safemode_new();
    core->cache = cache_manager_new();
    core->ec_policies = ec_policies_new();
    core->tokens = token_store_new();
    core->rolling_upgrade_start_ms = 0;
    core->rolling_image = false;
    core->rolled_back = false;
    core->generation_stamp = GENERATION_STAMP_FIRST - 1;
    core->generation_stamp_v1 = GENERATION_STAMP_FIRST - 1;
    core->generation_stamp_v1_limit = 0;
    core->block_id_last = BLOCK_ID_FIRST - 1;
    core->striped_block_id_last = (uint64_t)INT64_MIN;
    core->txid_applied = 0;
    return 0;
}

void core_release(struct core *core)
{
    if (!core->tree.inodes) return;
    safemode_free(core->safemode);
    retry_cache_free(core->retry_cache);
    lease_table_free(core->leases);
    tree_release(&core->tree);
    dn_table_release(&core->datanodes);
    block_manager_free(core->manager);
    block_map_free(core->blocks);
    hosts_free(core->hosts);
    token_store_free(core->tokens);
    ec_policies_free(core->ec_policies);
    cache_manager_free(core->cache);
    core->tokens = NULL;
    core->ec_policies = NULL;
    core->cache = NULL;
    core->safemode = NULL;
    core->retry_cache = NULL;
    core->leases = NULL;
    core->manager = NULL;
    core->blocks = NULL;
    core->hosts = NULL;
}

/* ---- settings ---- */

/* The process's user does not change: its name lives as long. */
static const char *process_user(void)
{
    static char *user;

    if (!user) user = user_current();
    return user;
}

static int load_count(uint32_t *out, const struct conf *conf, enum conf_id id, int64_t min,
                      int64_t max, struct err *err)
{
    int64_t value = conf_int(conf, id);

    if (value < min || value > max)
        return err_set(err, ERR_CONFIG,
                       "%s is %" PRId64 ", but must be from %" PRId64 " to %" PRId64,
                       conf_key(id)->name, value, min, max);
    *out = (uint32_t)value;
    return 0;
}

static int load_replication(struct core_conf *out, const struct conf *conf, struct err *err)
{
    uint32_t min = 0, max = 0, usual = 0;
    int rc = load_count(&max, conf, CONF_dfs_replication_max, 1, INT16_MAX, err);

    if (!rc)
        rc = load_count(&min, conf, CONF_dfs_namenode_replication_min, 1,
                        MIN(max, (uint32_t)REPLICATION_LIMIT), err);
    if (!rc)
        rc = load_count(&usual, conf, CONF_dfs_replication, 1,
                        MIN(max, (uint32_t)REPLICATION_LIMIT), err);
    out->replication_max = (uint16_t)MIN(max, (uint32_t)REPLICATION_LIMIT);
    out->replication_min = (uint16_t)min;
    out->replication = (uint16_t)usual;
    return rc;
}

static int load_checksum_type(struct core_conf *out, const struct conf *conf, struct err *err)
{
    /* ChecksumTypeProto's numbers */
    static const char *const names[] = {"NULL", "CRC32", "CRC32C"};
    const char *name = conf_str(conf, CONF_dfs_checksum_type);

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(name, names[i])) {
            out->checksum_type = (uint8_t)i;
            return 0;
        }
    return err_set(err, ERR_CONFIG, "dfs.checksum.type is %s, but must be NULL, CRC32 or CRC32C",
                   name);
}

static int load_limits(struct core_conf *out, const struct conf *conf, struct err *err)
{
    int rc =
        load_count(&out->bytes_per_checksum, conf, CONF_dfs_bytes_per_checksum, 1, 1 << 30, err);

    if (!rc)
        rc = load_count(&out->write_packet_size, conf, CONF_dfs_client_write_packet_size, 1,
                        INT32_MAX, err);
    if (!rc)
        rc = load_count(&out->file_buffer_size, conf, CONF_io_file_buffer_size, 1, INT32_MAX, err);
    if (!rc)
        rc = load_count(&out->max_component_length, conf,
                        CONF_dfs_namenode_fs_limits_max_component_length, 0, INT32_MAX, err);
    if (!rc)
        rc = load_count(&out->max_directory_items, conf,
                        CONF_dfs_namenode_fs_limits_max_directory_items, 1, 64 * 100 * 1000, err);
    if (!rc)
        rc = load_count(&out->max_blocks_per_file, conf,
                        CONF_dfs_namenode_fs_limits_max_blocks_per_file, 1, INT32_MAX, err);
    if (!rc)
        rc = load_count(&out->ec_cell_size_max, conf, CONF_dfs_namenode_ec_policies_max_cellsize, 1,
                        INT32_MAX, err);
    if (!rc)
        rc = load_count(&out->cache_pools_limit, conf,
                        CONF_dfs_namenode_list_cache_pools_num_responses, 1, INT32_MAX, err);
    if (!rc)
        rc = load_count(&out->cache_directives_limit, conf,
                        CONF_dfs_namenode_list_cache_directives_num_responses, 1, INT32_MAX, err);
    if (!rc) rc = load_count(&out->ls_limit, conf, CONF_dfs_ls_limit, 1, INT32_MAX, err);
    if (!rc)
        rc = load_count(&out->batched_ls_limit, conf, CONF_dfs_batched_ls_limit, 1, INT32_MAX, err);
    if (!rc)
        rc = load_count(&out->content_summary_limit, conf, CONF_dfs_content_summary_limit, 0,
                        INT32_MAX, err);
    if (!rc)
        rc = load_count(&out->close_num_committed_allowed, conf,
                        CONF_dfs_namenode_file_close_num_committed_allowed, 0, INT32_MAX, err);
    if (!rc)
        rc = load_count(&out->safemode_min_datanodes, conf,
                        CONF_dfs_namenode_safemode_min_datanodes, 0, INT32_MAX, err);
    if (!rc)
        rc = load_count(&out->safemode_replication_min, conf,
                        CONF_dfs_namenode_safemode_replication_min, 1, REPLICATION_LIMIT, err);
    if (!rc)
        rc = load_count(&out->invalidate_limit, conf, CONF_dfs_block_invalidate_limit, 1, INT32_MAX,
                        err);
    return rc;
}

static int load_work(struct core_conf *out, const struct conf *conf, struct err *err)
{
    int rc = load_count(&out->replication_max_streams, conf,
                        CONF_dfs_namenode_replication_max_streams, 0, INT32_MAX, err);

    if (!rc)
        rc = load_count(&out->replication_max_streams_hard, conf,
                        CONF_dfs_namenode_replication_max_streams_hard_limit, 0, INT32_MAX, err);
    if (!rc)
        rc = load_count(&out->replication_work_multiplier, conf,
                        CONF_dfs_namenode_replication_work_multiplier_per_iteration, 1, INT32_MAX,
                        err);
    return rc;
}

static int64_t trash_ms(const struct conf *conf, enum conf_id id)
{
    double minutes = conf_float(conf, id);

    return minutes > 0 && minutes < 1e9 ? (int64_t)(minutes * MINUTE_MS) : 0;
}

static int64_t stale_heartbeats(const struct conf *conf)
{
    return MIN(MAX(conf_int(conf, CONF_dfs_namenode_stale_datanode_minimum_interval), 1), 1000000);
}

static void load_times(struct core_conf *out, const struct conf *conf)
{
    out->snapshot_max = (uint32_t)conf_int(conf, CONF_dfs_namenode_snapshot_max_limit);
    out->snapshot_fs_max = (uint32_t)conf_int(conf, CONF_dfs_namenode_snapshot_filesystem_limit);
    out->snapshot_skip_atime =
        conf_bool(conf, CONF_dfs_namenode_snapshot_skip_capture_accesstime_only_change);
    out->snapshot_capture_open = conf_bool(conf, CONF_dfs_namenode_snapshot_capture_openfiles);
    out->snapshot_trash_root = conf_bool(conf, CONF_dfs_namenode_snapshot_trashroot_enabled);
    out->snapshot_diff_descendant =
        conf_bool(conf, CONF_dfs_namenode_snapshotdiff_allow_snap_root_descendant);
    out->snapshot_diff_listing_limit =
        (uint32_t)conf_int(conf, CONF_dfs_namenode_snapshotdiff_listing_limit);
    out->accesstime_precision_ms = conf_ms(conf, CONF_dfs_namenode_accesstime_precision);
    out->trash_interval_minutes = (uint64_t)MAX(conf_float(conf, CONF_fs_trash_interval), 0);
    out->trash_interval_ms = trash_ms(conf, CONF_fs_trash_interval);
    out->trash_checkpoint_ms = trash_ms(conf, CONF_fs_trash_checkpoint_interval);
    out->trash_clean_root = conf_bool(conf, CONF_fs_trash_clean_trashroot_enable);
    out->heartbeat_interval_ms = MAX(conf_ms(conf, CONF_dfs_heartbeat_interval), 1);
    out->heartbeat_recheck_ms = MAX(conf_ms(conf, CONF_dfs_namenode_heartbeat_recheck_interval), 1);
    out->stale_interval_ms = MAX(conf_ms(conf, CONF_dfs_namenode_stale_datanode_interval),
                                 stale_heartbeats(conf) * out->heartbeat_interval_ms);
    out->lease_hard_limit_ms = conf_ms(conf, CONF_dfs_namenode_lease_hard_limit_sec);
    out->retry_cache_expiry_ms = conf_ms(conf, CONF_dfs_namenode_retrycache_expirytime_millis);
}

static int load_storage_policy(struct core_conf *out, const struct conf *conf, struct err *err)
{
    const char *name = conf_str(conf, CONF_dfs_storage_default_policy);
    const struct storage_policy *policy = storage_policy_by_name(name);

    if (!policy)
        return err_set(err, ERR_CONFIG,
                       "dfs.storage.default.policy is %s, but must be the name of a storage policy",
                       name);
    out->storage_policy = policy->id;
    return 0;
}

static int load_xattr_limits(struct core_conf *out, const struct conf *conf, struct err *err)
{
    int64_t size = conf_size(conf, CONF_dfs_namenode_fs_limits_max_xattr_size);

    if (size < 1 || size > XATTR_SIZE_HARD_LIMIT)
        return err_set(err, ERR_CONFIG,
                       "dfs.namenode.fs-limits.max-xattr-size is %" PRId64
                       ", but must be from 1 to %d",
                       size, XATTR_SIZE_HARD_LIMIT);
    out->xattr_size_max = (uint32_t)size;
    return load_count(&out->xattrs_per_inode_max, conf,
                      CONF_dfs_namenode_fs_limits_max_xattrs_per_inode, 0, INT32_MAX, err);
}

int core_conf_load(struct core_conf *out, const struct conf *conf, struct err *err)
{
    int64_t block_size = conf_size(conf, CONF_dfs_blocksize),
            min = conf_size(conf, CONF_dfs_namenode_fs_limits_min_block_size);
    int rc = load_replication(out, conf, err);

    if (!rc) rc = load_checksum_type(out, conf, err);
    if (!rc) rc = load_limits(out, conf, err);
    if (!rc) rc = load_xattr_limits(out, conf, err);
    if (!rc) rc = load_work(out, conf, err);
    if (!rc) rc = load_storage_policy(out, conf, err);
    if (!rc && block_size <= 0)
        rc = err_set(err, ERR_CONFIG, "dfs.blocksize is %" PRId64 ", but must be above 0",
                     block_size);
    if (rc) return rc;
    out->block_size = (uint64_t)block_size;
    out->min_block_size = (uint64_t)MAX(min, 0);
    out->permissions_enabled = conf_bool(conf, CONF_dfs_permissions_enabled);
    out->storage_policy_enabled = conf_bool(conf, CONF_dfs_storage_policy_enabled);
    out->storage_policy_superuser_only =
        conf_bool(conf, CONF_dfs_storage_policy_permissions_superuser_only);
    out->acls_enabled = conf_bool(conf, CONF_dfs_namenode_acls_enabled);
    out->posix_acl_inheritance = conf_bool(conf, CONF_dfs_namenode_posix_acl_inheritance_enabled);
    out->xattrs_enabled = conf_bool(conf, CONF_dfs_namenode_xattrs_enabled);
    out->allow_owner_set_quota = conf_bool(conf, CONF_dfs_permissions_allow_owner_set_quota);
    out->protected_directories = conf_str(conf, CONF_fs_protected_directories);
    out->protect_subdirectories = conf_bool(conf, CONF_dfs_protected_subdirectories_enable);
    out->max_objects = (uint64_t)MAX(conf_int(conf, CONF_dfs_namenode_max_objects), 0);
    out->supergroup = conf_str(conf, CONF_dfs_permissions_superusergroup);
    out->superuser = process_user();
    out->ec_policy = conf_str(conf, CONF_dfs_namenode_ec_system_default_policy);
    out->ec_user_policies = conf_bool(conf, CONF_dfs_namenode_ec_userdefined_policy_allowed);
    out->consider_load = conf_bool(conf, CONF_dfs_namenode_redundancy_considerLoad);
    out->consider_load_factor = conf_float(conf, CONF_dfs_namenode_redundancy_considerLoad_factor);
    out->safemode_threshold = conf_float(conf, CONF_dfs_namenode_safemode_threshold_pct);
    load_times(out, conf);
    block_conf_load(out, conf);
    return placement_conf_load(out, conf, err);
}

/* ---- edits ---- */

/* What every handler's checks were for: a record that cannot be applied must not be acknowledged,
 * nor may the namespace go on half changed. */
NORETURN static void stop_on(const struct edit *edit, const struct err *err)
{
    log_error("the namespace does not take the change just checked: op %u on %s: %s", edit->op,
              edit->path ? edit->path : "-", err->text);
    abort();
}

/* The inode and the directory that lists it. */
static void note_changed(struct core *core, const struct inode *inode, uint64_t txid)
{
    if (!inode) return;
    tree_note_changed(&core->tree, inode, txid);
    tree_note_changed(&core->tree, inode_parent(core->tree.inodes, inode), txid);
}

static void note_edit(struct core *core, const struct edit *edit)
{
    uint64_t txid = core->txid_applied + 1; /* what the record is about to get */

    if (edit->op == EDIT_ADD || edit->op == EDIT_MKDIR || edit->op == EDIT_SYMLINK)
        note_changed(core, inode_find(core->tree.inodes, edit->inode_id), txid);
    else
        note_changed(core, edit->inode, txid);
}

uint64_t core_edit(struct core *core, struct edit *edit)
{
    struct err err = ERR_INIT;

    assert(!core->replaying);
    note_edit(core, edit); /* where it was */
    if (edit_apply(core, edit, &err)) stop_on(edit, &err);
    if (edit->op != EDIT_DELETE) note_edit(core, edit); /* where it is */
    edit->txid = core->sink ? core->sink(core->sink_context, edit) : core->txid_applied + 1;
    assert(edit->txid > core->txid_applied);
    core->txid_applied = edit->txid;
    return edit->txid;
}

/* ---- odds and ends ---- */

uint64_t core_random(struct core *core) /* splitmix64 */
{
    uint64_t z = core->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int op_check_superuser(struct core *core, const struct op *op, const char *operation,
                       struct err *err)
{
    (void)core;
    if (op->superuser) return 0;
    return err_set(err, ERR_ACCESS,
                   "Access denied for user %s. Superuser privilege is required for operation %s",
                   op->user, operation);
}
