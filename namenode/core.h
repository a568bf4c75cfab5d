/*
 * The namenode's core: everything that is namespace and blocks, without I/O, clock or threads (FSNamesystem, FSDirectory, BlockManager,
 * in one). It takes requests and `now` and gives back edits, orders for datanodes and replies. One thread runs it; the simulator and the
 * unit tests run it too.
 *
 *   request -> op_* handler: check -> struct edit -> core_edit(): edit_apply() + sink (journal) -> reply, held until the edit is durable
 */
#ifndef NAMENODE_CORE_H
#define NAMENODE_CORE_H

#include "common/conf.h"
#include "common/mem.h"
#include "namenode/dn_table.h"
#include "namenode/edit.h"
#include "namenode/lease.h"
#include "namenode/tree.h"

enum {
    LAYOUT_NAMENODE = -67,
    LAYOUT_UPGRADABLE = -51,   /* the first with images in sections: Hadoop 2.4 */
    LAYOUT_EDITS_OLDEST = -56, /* the first with a length in each record: Hadoop 2.5 */
    LAYOUT_DATANODE = -57,
};

/* What the settings say, read once at start (and by reconfiguration); names follow the keys. */
struct core_conf {
    uint16_t replication, replication_min, replication_max;
    uint64_t block_size, min_block_size;
    uint32_t bytes_per_checksum, write_packet_size, file_buffer_size;
    uint8_t checksum_type;
    uint32_t max_component_length, max_directory_items, max_blocks_per_file;
    uint32_t ls_limit, batched_ls_limit, content_summary_limit;
    bool permissions_enabled;
    bool storage_policy_enabled, storage_policy_superuser_only;
    uint8_t storage_policy; /* of files that have none and inherit none */
    bool allow_owner_set_quota;
    bool acls_enabled, posix_acl_inheritance;
    bool xattrs_enabled;
    uint32_t xattrs_per_inode_max;     /* of those that users see */
    uint32_t xattr_size_max;           /* name and value */
    const char *protected_directories; /* comma-separated, as set */
    bool protect_subdirectories;
    const char *ec_policy; /* enabled at start */
    bool ec_user_policies;
    uint32_t ec_cell_size_max;
    uint32_t cache_pools_limit, cache_directives_limit; /* of one listing */
    uint64_t max_objects;                               /* inodes and blocks; 0: no limit */
    const char *supergroup;
    const char *superuser; /* who started the namenode */
    int64_t accesstime_precision_ms;
    uint64_t trash_interval_minutes;
    int64_t trash_interval_ms, trash_checkpoint_ms;
    bool trash_clean_root;
    bool snapshot_skip_atime, snapshot_capture_open, snapshot_trash_root;
    bool snapshot_diff_descendant;
    uint32_t snapshot_max, snapshot_fs_max, snapshot_diff_listing_limit;
    int64_t heartbeat_interval_ms, heartbeat_recheck_ms, stale_interval_ms;
    int64_t lease_hard_limit_ms;
    uint32_t replication_max_streams, replication_max_streams_hard, replication_work_multiplier;
    bool consider_load;
    double consider_load_factor;
    uint32_t invalidate_limit;
    double safemode_threshold;
    uint32_t safemode_min_datanodes;
    uint32_t safemode_replication_min;
    int64_t safemode_extension_ms;
    uint32_t close_num_committed_allowed;
    int64_t retry_cache_expiry_ms;
    /* Read by block_conf_load(), block_manager.h. */
    uint32_t maintenance_replication_min;
    int64_t pending_timeout_ms;
    bool avoid_read_stale, avoid_write_stale;
    double write_stale_ratio;
    int64_t redundancy_interval_ms;
    int64_t decommission_interval_ms;
    uint32_t report_leases_max;
    int64_t report_lease_ms;
    bool check_ip_hostname;
    bool prefer_local_node;
    enum placement_kind placement; /* placement.h */
    uint32_t upgrade_domain_factor;
    uint32_t space_preference, space_tolerance, space_tolerance_limit; /* percent */
    bool space_balance_local;
    uint32_t min_blocks_for_write;
    bool exclude_slow_nodes, avoid_read_slow;
    bool peer_stats;
    int64_t outliers_interval_ms, slow_collect_interval_ms;
    uint32_t slow_nodes_max, slow_nodes_shown;
    const char *host_name; /* in texts of safe mode; NULL: localhost */
    uint32_t
        heartbeat_tolerance; /* heartbeats that may be missed before a replica is preferred for deletion */
};

struct core_identity { /* VERSION */
    uint32_t namespace_id;
    char cluster_id[80];
    char block_pool_id[96];
    uint64_t ctime;
    int32_t layout_version;
};

struct core;
/* Takes a record that was applied just now; gives it its txid (returned). NULL while replaying. */
typedef uint64_t (*core_edit_sink)(void *context, struct edit *edit);

struct core {
    struct core_conf conf;
    struct core_identity identity;
    struct tree tree;
    struct block_map *blocks;
    struct block_manager
        *manager; /* redundancy queues, pending work, invalidations: block_manager.h */
    struct dn_table datanodes;
    struct lease_table *leases;
    struct retry_cache *retry_cache;
    struct safemode *safemode;
    struct hosts *hosts;         /* dfs.hosts and dfs.hosts.exclude: hosts.h; NULL: all may come */
    struct cache_manager *cache; /* cache_pool.h */
    struct ec_policies *ec_policies; /* ec_policy.h */
    struct token_store *tokens;      /* token_store.h */
    bool upgrade_pending;    /* datanodes keep what they had before, too: no word to finalize */
    int64_t slow_collect_ms; /* when slow datanodes are marked next */
    uint32_t slow_count;     /* of those marked */
    int64_t rolling_upgrade_start_ms; /* wall clock; 0: none under way */
    bool rolling_image;               /* fsimage_rollback_N is there: rolling_upgrade.h */
    bool rolled_back; /* by this start: blocks of the future are what was gone back from, and go */
    bool rolling_upgrade_finalized; /* since the start: datanodes may drop what they keep */
    uint64_t generation_stamp;      /* last one given out */
    uint64_t block_id_last;         /* last one given out */
    uint64_t striped_block_id_last;
    uint64_t generation_stamp_v1, generation_stamp_v1_limit; /* kept for images */
    uint64_t txid_applied;                                   /* last record applied */
    int64_t now_ms;      /* monotonic; set before every request and tick */
    int64_t now_wall_ms; /* wall clock, for times that users see */
    uint64_t random;     /* state of the core's own generator (core_random) */
    bool replaying;
    core_edit_sink sink;
    void *sink_context;
    /* Called when a block became complete; wakes held `complete` calls. May be NULL. */
    void (*on_block_complete)(void *context, struct block *block);
    void *on_block_complete_context;
};

/* An empty namespace; conf's numbers are filled from settings by core_conf_load(). */
int core_init(struct core *core, struct err *err) MUST_CHECK;
void core_release(struct core *core);
int core_conf_load(struct core_conf *out, const struct conf *conf, struct err *err) MUST_CHECK;

/* Applies the edit and hands it to the journal. Never fails for a checked edit (asserts). Answers its txid. */
uint64_t core_edit(struct core *core, struct edit *edit);

uint64_t core_random(
    struct core *core); /* splitmix64 over core->random: seeded, so that the simulator repeats */

#endif
