#include "namenode/quota.h"

#include "namenode/ec_policy.h"

#include "common/mem.h"
#include "common/units.h"
#include "namenode/snapshot.h"
#include "namenode/storage_policy.h"

bool quota_applies(const struct core *core, const struct inode *dir)
{
    for (; dir; dir = snapshot_home(&core->tree, dir))
        if (dir->has_quota) return true;
    return false;
}

/* BlockStoragePolicy.chooseStorageTypes passes over media that forget (RAM) instead of counting
 * them. */
void quota_add_types(uint64_t type_space[7], uint64_t bytes, uint32_t replication,
                     uint8_t policy_id)
{
    const struct storage_policy *policy = storage_policy_by_id(policy_id);

    if (!policy || !bytes) return;
    for (uint32_t i = 0, wanted = 0;
         wanted < replication && i < replication + ARRAY_LEN(policy->creation); i++) {
        enum storage_type type = storage_policy_type(policy, i);

        if (!storage_type_has_quota(type)) continue;
        type_space[type] += bytes;
        wanted++;
    }
}

/* `bytes` of one replica, times the file's replication, by medium where a policy is set. */
static void add_space(struct quota_usage *usage, int64_t bytes, uint32_t replication,
                      uint8_t policy)
{
    uint64_t types[ARRAY_LEN(usage->type_space)] = {0};

    usage->space += bytes * replication;
    quota_add_types(types, (uint64_t)bytes, replication, policy);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) usage->type_space[i] += (int64_t)types[i];
}

/* What a block of so many bytes takes of a quota before replication: a group's parity included. */
static int64_t block_space(const struct core *core, const struct inode *file, uint64_t length)
{
    const struct ec_policy *policy = ec_policy_at(core->ec_policies, inode_ec_policy(file));

    return (int64_t)(policy ? ec_group_space(policy, length) : length);
}

/* A block counts in full until its writer has said its length: so that reports of replicas change
 * no quota. */
static int64_t file_bytes(const struct core *core, const struct inode *file)
{
    int64_t bytes = 0;

    for (uint32_t i = 0; i < file->block_count; i++) {
        const struct block *block = inode_block(file, i);
        bool known = block->state == BLOCK_COMPLETE || block->state == BLOCK_COMMITTED;

        bytes += block_space(core, file,
                             known ? block->length : inode_block_size(core->tree.inodes, file));
    }
    if (file->has_history) bytes += (int64_t)snapshot_only_bytes(&core->tree, file);
    return bytes;
}

struct quota_usage quota_count_file(const struct core *core, const struct inode *file,
                                    uint32_t replication, uint8_t policy)
{
    struct quota_usage usage = {.names = 1};

    add_space(&usage, file_bytes(core, file), replication, policy);
    return usage;
}

static struct quota_usage count_one(const struct core *core, const struct inode *inode,
                                    uint8_t policy)
{
    struct quota_usage usage = {.names = 1};

    if (inode_is_file(inode))
        add_space(&usage, file_bytes(core, inode), inode_replication(inode), policy);
    return usage;
}

static void add_usage(struct quota_usage *to, const struct quota_usage *more, int sign)
{
    to->names += sign * more->names;
    to->space += sign * more->space;
    for (size_t i = 0; i < ARRAY_LEN(to->type_space); i++)
        to->type_space[i] += sign * more->type_space[i];
}

/* storage_policy_effective(), also for what only snapshots have. */
static uint8_t policy_of(const struct core *core, const struct inode *inode)
{
    while (inode && !inode->storage_policy) inode = snapshot_home(&core->tree, inode);
    return inode ? (uint8_t)inode->storage_policy : 0;
}

/* The policy of an inode below `top`, where `top` itself would inherit `inherited`. */
static uint8_t policy_below(const struct core *core, const struct inode *inode,
                            const struct inode *top, uint8_t inherited)
{
    while (!inode->storage_policy && inode != top) inode = inode_parent(core->tree.inodes, inode);
    return inode->storage_policy ? (uint8_t)inode->storage_policy : inherited;
}

/* Former children that have no other home. */
static void add_former(const struct core *core, const struct inode *dir, uint8_t policy,
                       struct quota_usage *total)
{
    const struct snapshot_history *history = snapshot_history(&core->tree, dir);

    for (uint32_t i = 0; i < history->entry_count; i++) {
        const struct snapshot_entry *entry = history->entries[i];
        const struct inode *inode = inode_at(core->tree.inodes, entry->record.inode);
        const struct snapshot_history *own = snapshot_history(&core->tree, inode);

        if (inode->parent || own->home != entry) continue;
        struct quota_usage more = quota_count(core, inode, policy);
        add_usage(total, &more, 1);
    }
}

struct quota_usage quota_count(const struct core *core, const struct inode *inode, uint8_t policy)
{
    struct quota_usage total = {0};
    struct tree_walk walk;

    tree_walk_start(&walk, &core->tree, (struct inode *)inode);
    for (struct inode *at; (at = tree_walk_next(&walk));) {
        bool former = inode_is_dir(at) && at->has_history;
        uint8_t own = inode_is_file(at) || former ? policy_below(core, at, inode, policy) : 0;
        struct quota_usage one = count_one(core, at, own);

        add_usage(&total, &one, 1);
        if (former) add_former(core, at, own, &total);
    }
    tree_walk_release(&walk);
    return total;
}

void quota_charge(struct core *core, const struct inode *dir, const struct quota_usage *more,
                  int sign)
{
    for (; dir; dir = snapshot_home(&core->tree, dir))
        if (dir->has_quota) add_usage(inode_usage(core->tree.inodes, dir), more, sign);
}

/* ---- checks ---- */

static bool is_violated(int64_t quota, int64_t usage, int64_t more)
{
    return quota >= 0 && more > 0 && usage > quota - more;
}

static int refuse(struct core *core, const struct inode *dir, const struct inode_quota *quota,
                  const struct quota_usage *usage, const struct quota_usage *more, struct err *err)
{
    char limit[UNITS_TEXT_MAX], used[UNITS_TEXT_MAX];
    struct arena arena = {0};
    const char *path = tree_path_of(&core->tree, dir, &arena);
    int rc = 0;

    if (is_violated(quota->names, usage->names, more->names)) {
        rc = err_set(err, ERR_NS_QUOTA,
                     "The NameSpace quota (directories and files) of directory %s is exceeded: "
                     "quota=%" PRId64 " file count=%" PRId64,
                     path, quota->names, usage->names + more->names);
    } else if (is_violated(quota->space, usage->space, more->space)) {
        rc = err_set(err, ERR_DS_QUOTA,
                     "The DiskSpace quota of %s is exceeded: quota = %" PRId64
                     " B = %s but diskspace consumed = %" PRId64 " B = %s",
                     path, quota->space, units_bytes(quota->space, limit),
                     usage->space + more->space, units_bytes(usage->space + more->space, used));
    }
    for (size_t type = 0; !rc && type < ARRAY_LEN(quota->type_space); type++)
        if (is_violated(quota->type_space[type], usage->type_space[type], more->type_space[type]))
            rc = err_set(err, ERR_TYPE_QUOTA,
                         "Quota by storage type : %s on path : %s is exceeded. quota = %s but "
                         "space consumed = %s",
                         storage_type_name((enum storage_type)type), path,
                         units_bytes(quota->type_space[type], limit),
                         units_bytes(usage->type_space[type] + more->type_space[type], used));
    arena_release(&arena);
    return rc;
}

int quota_check(struct core *core, const struct inode *dir, const struct inode *shared,
                const struct quota_usage *more, struct err *err)
{
    const struct inode_table *inodes = core->tree.inodes;

    for (; dir && dir != shared; dir = inode_parent(inodes, dir)) {
        if (!dir->has_quota) continue;
        int rc = refuse(core, dir, inode_quota(inodes, dir), inode_usage(inodes, dir), more, err);
        if (rc) return rc;
    }
    return 0;
}

int quota_check_space(struct core *core, const struct inode *file, int64_t bytes, struct err *err)
{
    const struct inode *parent = inode_parent(core->tree.inodes, file);
    struct quota_usage more = {0};

    if (!quota_applies(core, parent)) return 0;
    add_space(&more, bytes, inode_replication(file),
              storage_policy_effective(core->tree.inodes, file));
    return quota_check(core, parent, NULL, &more, err);
}

/* ---- charging ---- */

static void charge_tree(struct core *core, const struct inode *inode, int sign)
{
    const struct inode *parent = snapshot_home(&core->tree, inode);

    if (!quota_applies(core, parent)) return;
    struct quota_usage usage = quota_count(core, inode, policy_of(core, parent));
    quota_charge(core, parent, &usage, sign);
}

void quota_linked(struct core *core, const struct inode *inode)
{
    charge_tree(core, inode, 1);
}
void quota_unlinking(struct core *core, const struct inode *inode)
{
    charge_tree(core, inode, -1);
}

struct quota_mark quota_mark(const struct core *core, const struct inode *file)
{
    struct quota_mark mark = {.counted = quota_applies(core, snapshot_home(&core->tree, file))};

    if (mark.counted) mark.before = count_one(core, file, policy_of(core, file));
    return mark;
}

void quota_settle(struct core *core, const struct inode *file, const struct quota_mark *mark)
{
    const struct inode *parent = snapshot_home(&core->tree, file);

    if (!mark->counted) return;
    struct quota_usage after = count_one(core, file, policy_of(core, file));
    add_usage(&after, &mark->before, -1);
    quota_charge(core, parent, &after, 1);
}

static void recount_dir(struct core *core, struct inode *dir)
{
    *inode_usage(core->tree.inodes, dir) = quota_count(core, dir, policy_of(core, dir));
}

void quota_set(struct core *core, struct inode *dir, const struct inode_quota *quota)
{
    bool counted = dir->has_quota;

    inode_set_quota(core->tree.inodes, dir, quota);
    if (!dir->has_quota || counted) return;
    recount_dir(core, dir);
}

void quota_set_policy(struct core *core, struct inode *inode, uint8_t policy)
{
    struct tree_walk walk;

    if (!inode_quota_count(core->tree.inodes)) {
        inode->storage_policy = policy & 15;
        return;
    }
    quota_unlinking(core, inode);
    inode->storage_policy = policy & 15;
    quota_linked(core, inode);
    tree_walk_start(&walk, &core->tree, inode);
    for (struct inode *at; (at = tree_walk_next(&walk));)
        if (at->has_quota) recount_dir(core, at);
    tree_walk_release(&walk);
}

void quota_recount(struct core *core)
{
    const struct inode_table *inodes = core->tree.inodes;
    bool any = false;

    for (struct inode *inode = inode_next(inodes, 0); inode;
         inode = inode_next(inodes, inode_reference(inode)))
        if (inode->has_quota) *inode_usage(inodes, inode) = (struct quota_usage){0}, any = true;
    if (!any) return;
    for (struct inode *inode = inode_next(inodes, 0); inode;
         inode = inode_next(inodes, inode_reference(inode))) {
        struct quota_usage one = count_one(core, inode, policy_of(core, inode));

        quota_charge(core, inode_is_dir(inode) ? inode : snapshot_home(&core->tree, inode), &one,
                     1);
    }
}
