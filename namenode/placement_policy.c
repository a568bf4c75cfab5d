/* The policies by their Java classes: BlockPlacementPolicyDefault and what Apache derives from it. */
#include "common/log.h"
#include "namenode/placement_internal.h"

static const struct {
    const char *class_name;
    enum placement_kind kind;
} CLASSES[] = {
    {"BlockPlacementPolicyDefault", PLACEMENT_DEFAULT},
    {"BlockPlacementPolicyRackFaultTolerant", PLACEMENT_RACK_FAULT_TOLERANT},
    {"BlockPlacementPolicyWithNodeGroup", PLACEMENT_NODE_GROUP},
    {"BlockPlacementPolicyWithUpgradeDomain", PLACEMENT_UPGRADE_DOMAIN},
    {"AvailableSpaceBlockPlacementPolicy", PLACEMENT_AVAILABLE_SPACE},
    {"AvailableSpaceRackFaultTolerantBlockPlacementPolicy", PLACEMENT_AVAILABLE_SPACE_RACKS},
};

/* ---- settings ---- */

static const char *plain_class(const char *name)
{
    const char *last = strrchr(name, '.');

    return last ? last + 1 : name;
}

static int find_class(struct core_conf *out, const struct conf *conf, struct err *err)
{
    const char *name = conf_str(conf, CONF_dfs_block_replicator_classname),
               *topology = conf_str(conf, CONF_net_topology_impl);

    for (size_t i = 0; i < ARRAY_LEN(CLASSES); i++) {
        if (!str_eq(plain_class(name), CLASSES[i].class_name)) continue;
        out->placement = CLASSES[i].kind;
        if (out->placement != PLACEMENT_NODE_GROUP ||
            str_eq(plain_class(topology), "NetworkTopologyWithNodeGroup"))
            return 0;
        return err_set(err, ERR_CONFIG,
                       "Configured cluster topology should be "
                       "org.apache.hadoop.net.NetworkTopologyWithNodeGroup (net.topology.impl)");
    }
    return err_set(err, ERR_CONFIG,
                   "dfs.block.replicator.classname is %s: the policies of Hadoop's package "
                   "org.apache.hadoop.hdfs.server.blockmanagement are known",
                   name);
}

static uint32_t percent(const struct conf *conf, enum conf_id id, int64_t max, uint32_t otherwise)
{
    int64_t value = conf_int(conf, id);

    if (value >= 0 && value <= max) return (uint32_t)value;
    log_warn("The value of %s is invalid, Current value is %" PRId64
             ", Default value %u will be used instead.",
             conf_key(id)->name, value, otherwise);
    return otherwise;
}

int placement_conf_load(struct core_conf *out, const struct conf *conf, struct err *err)
{
    int rc = find_class(out, conf, err);

    if (rc) return rc;
    bool racks = out->placement == PLACEMENT_AVAILABLE_SPACE_RACKS;
    double preference = conf_float(
        conf,
        racks
            ? CONF_dfs_namenode_available_space_rack_fault_tolerant_block_placement_policy_balanced_space_preference_fraction
            : CONF_dfs_namenode_available_space_block_placement_policy_balanced_space_preference_fraction);
    out->space_preference = (uint32_t)(100 * MIN(MAX(preference, 0.0), 1.0));
    out->space_tolerance = percent(
        conf,
        racks
            ? CONF_dfs_namenode_available_space_rack_fault_tolerant_block_placement_policy_balanced_space_tolerance
            : CONF_dfs_namenode_available_space_block_placement_policy_balanced_space_tolerance,
        20, 5);
    out->space_tolerance_limit =
        racks
            ? 101
            : percent(
                  conf,
                  CONF_dfs_namenode_available_space_block_placement_policy_balanced_space_tolerance_limit,
                  100, 100);
    out->space_balance_local =
        !racks &&
        conf_bool(conf,
                  CONF_dfs_namenode_available_space_block_placement_policy_balance_local_node);
    out->upgrade_domain_factor =
        (uint32_t)MAX(conf_int(conf, CONF_dfs_namenode_upgrade_domain_factor), 1);
    out->min_blocks_for_write = (uint32_t)MIN(
        MAX(conf_int(conf, CONF_dfs_namenode_block_placement_min_blocks_for_write), 1), 1 << 20);
    out->exclude_slow_nodes =
        conf_bool(conf, CONF_dfs_namenode_block_placement_policy_exclude_slow_nodes_enabled);
    return 0;
}

/* ---- the order ---- */

static bool is_over_racks(enum placement_kind kind)
{
    return kind == PLACEMENT_RACK_FAULT_TOLERANT || kind == PLACEMENT_AVAILABLE_SPACE_RACKS;
}

static uint32_t results_on_rack(const struct chooser *c, const char *location)
{
    const struct topology *topology = c->core->datanodes.topology;
    uint32_t n = 0;

    for (size_t i = 0; i < c->count; i++)
        n += topology_same_rack(topology, c->results[i]->datanode->location, location);
    return n;
}

/* The last result is given back: another one was better. */
static void give_back(struct chooser *c)
{
    c->need[c->results[--c->count]->type]++;
}

/* AvailableSpaceBlockPlacementPolicy.chooseLocalStorage: the writer's own node, or one of its rack that has more room. */
static bool choose_roomier(struct chooser *c, const struct writer *writer)
{
    bool local = writer->node && choose_this_node(c, writer->node);
    struct storage *here = local ? c->results[c->count - 1] : NULL;

    if (local) give_back(c);
    bool other = choose_local_rack(c, writer->rack, writer->node);
    if (!other && !here) return false;
    struct storage *there = other ? c->results[c->count - 1] : NULL;
    if (!here) return true;
    struct datanode *own = here->datanode;
    assert(own);
    if (there && policy_select(c->core, own, there->datanode, true) != own) {
        if (own->rack) c->excluded[own->node_index] = 0;
        return true;
    }
    if (there) {
        give_back(c);
        if (there->datanode->rack) c->excluded[there->datanode->node_index] = 0;
    }
    if (!c->need[here->type]) return false;
    c->need[here->type]--;
    c->results[c->count++] = here;
    return true;
}

/* On the writer's node, else near it (chooseLocalStorage). */
static bool choose_near(struct chooser *c, struct writer *writer)
{
    const struct core_conf *conf = &c->core->conf;
    bool done = false;

    if (conf->space_balance_local && conf->placement == PLACEMENT_AVAILABLE_SPACE)
        done = choose_roomier(c, writer);
    else
        done = writer->node && conf->prefer_local_node && choose_this_node(c, writer->node);
    if (!done && conf->placement == PLACEMENT_NODE_GROUP && writer->rack)
        done = choose_in_group(c, writer->rack);
    if (!done) done = choose_local_rack(c, writer->rack, writer->node);
    if (!done) return false;
    writer->node = c->results[c->count - 1]->datanode;
    writer->rack = writer->node->location;
    return true;
}

/* BlockPlacementPolicyDefault.chooseTargetInOrder. */
static bool choose_on_two_racks(struct chooser *c, uint32_t wanted, struct writer *writer)
{
    const struct topology *topology = c->core->datanodes.topology;
    size_t before = c->count;

    if (before == 0) {
        if (!choose_near(c, writer)) return false;
        if (--wanted == 0) return true;
    }
    const struct datanode *first = c->results[0]->datanode;
    if (before <= 1) {
        if (!choose_remote_rack(c, first->location)) return false;
        if (--wanted == 0) return true;
    }
    if (before <= 2) {
        const struct datanode *second = c->results[1]->datanode;
        bool done;
        if (topology_same_rack(topology, first->location, second->location))
            done = choose_remote_rack(c, first->location);
        else if (c->new_block)
            done = choose_local_rack(c, second->location, second);
        else
            done = choose_local_rack(c, writer->rack, writer->node);
        if (!done) return false;
        if (--wanted == 0) return true;
    }
    return choose_anywhere(c, wanted);
}

/* BlockPlacementPolicyRackFaultTolerant.chooseOnce. */
static bool choose_once(struct chooser *c, uint32_t wanted, struct writer *writer,
                        uint32_t rack_max)
{
    c->rack_max = rack_max;
    if (!wanted) return true;
    return choose_near(c, writer) && (wanted == 1 || choose_anywhere(c, wanted - 1));
}

/* Racks that cannot take their share leave it to the others: the limit rises step by step (chooseEvenlyFromRemainingRacks). */
static bool choose_from_remaining_racks(struct chooser *c, uint32_t total, struct writer *writer,
                                        uint32_t rack_max)
{
    while (c->count < total && rack_max < total) {
        restart_exclusions(c);
        choose_once(c, total - (uint32_t)c->count, writer, ++rack_max);
    }
    return c->count >= total;
}

/* BlockPlacementPolicyRackFaultTolerant.chooseTargetInOrder: each rack is filled to one less than its share first, so that those which
 * hold more are as few as can be. */
static bool choose_over_racks(struct chooser *c, uint32_t wanted, struct writer *writer)
{
    uint32_t total = (uint32_t)c->count + wanted, share = c->rack_max;
    uint32_t racks = MAX(topology_rack_count(c->core->datanodes.topology), 1u);
    bool done;

    if (total < racks || total % racks == 0) {
        done = choose_once(c, wanted, writer, share);
    } else {
        uint32_t room = (share - 1) * racks, counted = 0;
        for (size_t i = 0; i < c->count; i++) {
            const char *location = c->results[i]->datanode->location;
            size_t k = 0, same = 0;
            for (; k < i; k++)
                same += topology_same_rack(c->core->datanodes.topology, location,
                                           c->results[k]->datanode->location);
            counted += same < share - 1;
        }
        done = choose_once(c, MIN(wanted, room - MIN(room, counted)), writer, share - 1);
        restart_exclusions(c);
        if (done) done = choose_once(c, total - (uint32_t)c->count, writer, share);
    }
    if (!done) done = choose_from_remaining_racks(c, total, writer, share);
    c->rack_max = share;
    return done;
}

bool policy_choose(struct chooser *c, uint32_t wanted, struct writer *writer)
{
    return is_over_racks(c->core->conf.placement) ? choose_over_racks(c, wanted, writer)
                                                  : choose_on_two_racks(c, wanted, writer);
}

uint32_t policy_rack_max(const struct core *core, uint32_t total)
{
    uint32_t racks = topology_rack_count(core->datanodes.topology), max;

    if (racks <= 1 || total <= 1) return total;
    if (is_over_racks(core->conf.placement)) return total < racks ? 1 : (total - 1) / racks + 1;
    max = (total - 1) / racks + 2;
    return max == total ? max - 1 : max;
}

/* ---- single nodes ---- */

const char *placement_upgrade_domain(const struct datanode *node)
{
    return node->upgrade_domain ? node->upgrade_domain : dn_name(node);
}

static bool is_same_domain(const struct datanode *a, const struct datanode *b)
{
    return str_eq(placement_upgrade_domain(a), placement_upgrade_domain(b));
}

const char *policy_refuses(const struct chooser *c, const struct datanode *node)
{
    const struct core_conf *conf = &c->core->conf;

    if (results_on_rack(c, node->location) + 1 > c->rack_max)
        return "the rack has too many chosen nodes";
    if (conf->placement != PLACEMENT_UPGRADE_DOMAIN || c->count >= conf->upgrade_domain_factor)
        return NULL;
    for (size_t i = 0; i < c->count; i++)
        if (is_same_domain(c->results[i]->datanode, node))
            return "the node's upgrade domain is already chosen";
    return NULL;
}

void policy_exclude_beside(struct chooser *c, const struct datanode *node)
{
    const struct rack *rack = node->rack;

    if (!rack) return;
    c->excluded[node->node_index] = 1;
    if (c->core->conf.placement != PLACEMENT_NODE_GROUP) return;
    for (uint32_t i = 0; i < rack->count; i++)
        if (str_eq(rack->nodes[i]->location, node->location))
            c->excluded[rack->nodes[i]->node_index] = 1;
}

/* ---- available space ---- */

bool policy_picks_twice(const struct core *core)
{
    return core->conf.placement == PLACEMENT_AVAILABLE_SPACE ||
           core->conf.placement == PLACEMENT_AVAILABLE_SPACE_RACKS;
}

static double used_percent(const struct datanode *node)
{
    uint64_t capacity = dn_capacity(node);

    return capacity ? 100.0 * (double)dn_used(node) / (double)capacity : 100;
}

struct datanode *policy_select(struct core *core, struct datanode *a, struct datanode *b,
                               bool local)
{
    const struct core_conf *conf = &core->conf;

    if (!a || !b || a == b) return a ? a : b;
    double used_a = used_percent(a), used_b = used_percent(b);
    double apart = used_a < used_b ? used_b - used_a : used_a - used_b;
    if (local && used_a < 50) return a;
    if (apart < conf->space_tolerance && MAX(used_a, used_b) < conf->space_tolerance_limit)
        return a;
    bool take_emptier = core_random(core) % 100 < conf->space_preference;
    return (used_a < used_b) == take_emptier ? a : b;
}
