/* Erasure coding policies: what `hdfs ec` calls (FSDirErasureCodingOp, ErasureCodingPolicyManager). */
#include "namenode/ec_policy.h"
#include "namenode/handlers.h"
#include "namenode/perm.h"
#include "namenode/topology.h"
#include "namenode/xattr.h"

/* ---- answers ---- */

static Pb__ErasureCodingPolicy *with_state(const struct ec_policy *policy, struct arena *arena)
{
    Pb__ErasureCodingPolicy *message = ec_policy_message(policy, arena);

    message->has_state = true;
    message->state = policy->message.state;
    return message;
}

int op_get_erasure_coding_policies(struct core *core, struct op *op,
                                   const Pb__GetErasureCodingPoliciesRequest *request UNUSED,
                                   Pb__GetErasureCodingPoliciesResponse *response,
                                   struct err *err UNUSED)
{
    struct ec_policy *list[EC_POLICY_ID_MAX + 1];
    size_t count = ec_policies_by_name(core->ec_policies, list);

    response->ecpolicies = ARENA_ARRAY(op->arena, Pb__ErasureCodingPolicy *, count);
    response->n_ecpolicies = count;
    for (size_t i = 0; i < count; i++) response->ecpolicies[i] = with_state(list[i], op->arena);
    return 0;
}

int op_get_erasure_coding_codecs(struct core *core UNUSED, struct op *op,
                                 const Pb__GetErasureCodingCodecsRequest *request UNUSED,
                                 Pb__GetErasureCodingCodecsResponse *response,
                                 struct err *err UNUSED)
{
    static const char *const codecs[][2] = {{"rs", "rs_native, rs_java"},
                                            {"rs-legacy", "rs-legacy_java"},
                                            {"xor", "xor_native, xor_java"}};

    response->codec = ARENA_ARRAY(op->arena, Pb__Codec *, ARRAY_LEN(codecs));
    response->n_codec = ARRAY_LEN(codecs);
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        response->codec[i] = ARENA_NEW(op->arena, Pb__Codec);
        pb__codec__init(response->codec[i]);
        response->codec[i]->codec = (char *)(uintptr_t)codecs[i][0];
        response->codec[i]->coders = (char *)(uintptr_t)codecs[i][1];
    }
    return 0;
}

int op_get_erasure_coding_policy(struct core *core, struct op *op,
                                 const Pb__GetErasureCodingPolicyRequest *request,
                                 Pb__GetErasureCodingPolicyResponse *response, struct err *err)
{
    struct resolved path;
    int rc;

    op->audit_src = request->src;
    if (path_is_reserved(request->src)) return 0;
    rc = perm_resolve(core, op, request->src, RESOLVE_READ, &path, err);
    if (!rc && core->conf.permissions_enabled)
        rc = perm_check(core, op, &path, &(struct perm_request){.target = ACTION_READ}, err);
    if (rc || path.snapshots_of) return rc;
    if (!path.inode) return err_set(err, ERR_NOT_FOUND, "Path not found: %s", request->src);
    const struct ec_policy *policy = ec_policy_effective(core, path.inode);
    if (policy) response->ecpolicy = ec_policy_message(policy, op->arena);
    return 0;
}

/* ---- what the racks can carry (ECTopologyVerifier) ---- */

struct demand {
    uint32_t nodes, racks;
    const char *names;
};

static void add_demand(struct demand *demand, const struct ec_policy *policy, struct arena *arena)
{
    const Pb__ECSchema *schema = policy->message.schema;
    uint32_t nodes = schema->dataunits + schema->parityunits;

    demand->nodes = MAX(demand->nodes, nodes);
    demand->racks = MAX(demand->racks, (nodes + schema->parityunits - 1) / schema->parityunits);
    demand->names = arena_printf(arena, "%s%s%s", demand->names, *demand->names ? ", " : "",
                                 policy->message.name);
}

static const char *verify(struct core *core, const struct demand *demand, bool *supported,
                          struct arena *arena)
{
    size_t nodes = dn_count(&core->datanodes);
    uint32_t racks = topology_rack_count(core->datanodes.topology);

    *supported = false;
    if (demand->nodes > nodes)
        return arena_printf(arena,
                            "%u DataNodes are required for the erasure coding policies: %s. The "
                            "number of DataNodes is only %zu.",
                            demand->nodes, demand->names, nodes);
    if (demand->racks > racks)
        return arena_printf(arena,
                            "%u racks are required for the erasure coding policies: %s. The number "
                            "of racks is only %u.",
                            demand->racks, demand->names, racks);
    *supported = true;
    if (!demand->nodes) return "No erasure coding policy is given.";
    return arena_printf(arena, "The cluster setup can support EC policies: %s", demand->names);
}

int op_get_ectopology_result_for_policies(struct core *core, struct op *op,
                                          const Pb__GetECTopologyResultForPoliciesRequest *request,
                                          Pb__GetECTopologyResultForPoliciesResponse *response,
                                          struct err *err)
{
    struct demand demand = {.names = ""};
    struct ec_policy *list[EC_POLICY_ID_MAX + 1];
    bool supported;
    int rc = op_check_superuser(core, op, "getECTopologyResultForPolicies", err);

    if (rc) return rc;
    for (size_t i = 0; i < request->n_policies; i++) {
        const struct ec_policy *policy = ec_policy_find(core->ec_policies, request->policies[i]);
        if (!policy)
            return err_set(err, ERR_HADOOP_ARGUMENT,
                           "The given erasure coding policy %s does not exist.",
                           request->policies[i]);
        add_demand(&demand, policy, op->arena);
    }
    size_t count = request->n_policies ? 0 : ec_policies_by_name(core->ec_policies, list);
    for (size_t i = 0; i < count; i++)
        if (list[i]->enabled) add_demand(&demand, list[i], op->arena);
    response->response = ARENA_NEW(op->arena, Pb__ECTopologyVerifierResult);
    pb__ectopology_verifier_result__init(response->response);
    response->response->resultmessage =
        (char *)(uintptr_t)verify(core, &demand, &supported, op->arena);
    response->response->issupported = supported;
    return 0;
}

/* ---- the policies of directories ---- */

static int find_dir(struct core *core, struct op *op, const char *src, const char *refusal,
                    struct resolved *path, struct err *err)
{
    int rc = perm_resolve(core, op, src, RESOLVE_WRITE, path, err);

    if (!rc && core->conf.permissions_enabled)
        rc = perm_check(core, op, path, &(struct perm_request){.target = ACTION_WRITE}, err);
    if (rc) return rc;
    if (!path->inode) return err_set(err, ERR_NOT_FOUND, "Path not found: %s", path->text);
    if (!inode_is_dir(path->inode)) return err_set(err, ERR_IO, "%s %s", refusal, path->text);
    return 0;
}

/* The attribute that carries a policy's name as WritableUtils.writeString does. */
static void log_attribute(struct core *core, struct op *op, enum edit_op kind,
                          const struct resolved *path, const uint8_t *value, size_t size)
{
    Pb__XAttrEditLog list = PB__XATTR_EDIT_LOG__INIT;
    Pb__XAttr attribute = PB__XATTR__INIT, *attributes[] = {&attribute};
    struct edit edit = {
        .op = (uint8_t)kind, .path = path->text, .inode = path->inode, .xattrs = &list};

    attribute.namespace_ = PB__XATTR__XATTR_NAMESPACE__SYSTEM;
    attribute.name = (char *)(uintptr_t)XATTR_EC_POLICY;
    attribute.has_value = true;
    attribute.value = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)value, .len = size};
    list.src = (char *)(uintptr_t)path->text;
    list.xattrs = attributes;
    list.n_xattrs = 1;
    op_stamp(op, &edit);
    op->audit_status = path->inode;
    core_edit(core, &edit);
}

int op_set_erasure_coding_policy(struct core *core, struct op *op,
                                 const Pb__SetErasureCodingPolicyRequest *request,
                                 Pb__SetErasureCodingPolicyResponse *response UNUSED,
                                 struct err *err)
{
    const char *name = request->ecpolicyname ? request->ecpolicyname : core->conf.ec_policy;
    struct resolved path;
    struct buf value = {0};
    int rc = op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot set erasure coding policy on %s", request->src), err);

    op->audit_src = request->src;
    if (!rc) rc = ec_policy_check_enabled(core->ec_policies, &name, op->arena, err);
    if (!rc)
        rc = find_dir(core, op, request->src, "Attempt to set an erasure coding policy for a file",
                      &path, err);
    if (rc) return rc;
    buf_put_u32(&value, (uint32_t)strlen(name));
    buf_put_str(&value, name);
    log_attribute(core, op, EDIT_SET_XATTR, &path, value.data, value.length);
    buf_release(&value);
    return 0;
}

int op_unset_erasure_coding_policy(struct core *core, struct op *op,
                                   const Pb__UnsetErasureCodingPolicyRequest *request,
                                   Pb__UnsetErasureCodingPolicyResponse *response UNUSED,
                                   struct err *err)
{
    struct resolved path;
    int rc = op_check_not_safemode(
        core, arena_printf(op->arena, "Cannot unset erasure coding policy on %s", request->src),
        err);

    op->audit_src = request->src;
    if (!rc)
        rc = find_dir(core, op, request->src, "Cannot unset an erasure coding policy on a file",
                      &path, err);
    if (rc) return rc;
    const struct xattr *present =
        xattrs_find(inode_xattrs(core->tree.inodes, path.inode), XATTR_SYSTEM, XATTR_EC_POLICY);
    if (!present)
        return err_set(err, ERR_NO_EC_POLICY, "No erasure coding policy explicitly set on %s",
                       path.text);
    uint8_t *value = arena_copy(op->arena, present->value, present->size);
    log_attribute(core, op, EDIT_REMOVE_XATTR, &path, value, present->size);
    return 0;
}

/* ---- the policies themselves ---- */

static int begin_change(struct core *core, struct op *op, const char *operation, const char *what,
                        const char *name, struct err *err)
{
    int rc = core->conf.permissions_enabled ? op_check_superuser(core, op, operation, err) : 0;

    op->audit_src = *name ? name : NULL;
    return rc ? rc : op_check_not_safemode(core, arena_printf(op->arena, "%s%s", what, name), err);
}

static int find_policy(struct core *core, const char *name, struct ec_policy **out, struct err *err)
{
    *out = ec_policy_find(core->ec_policies, name);
    if (*out) return 0;
    return err_set(err, ERR_HADOOP_ARGUMENT, "The policy name %s does not exist", name);
}

static void log_change(struct core *core, const struct op *op, enum edit_op kind, const char *name)
{
    struct edit edit = {.op = (uint8_t)kind, .destination = name};

    op_stamp(op, &edit);
    core_edit(core, &edit);
}

int op_enable_erasure_coding_policy(struct core *core, struct op *op,
                                    const Pb__EnableErasureCodingPolicyRequest *request,
                                    Pb__EnableErasureCodingPolicyResponse *response UNUSED,
                                    struct err *err)
{
    const char *name = request->ecpolicyname;
    struct ec_policy *policy = NULL;
    int rc = begin_change(core, op, "enableErasureCodingPolicy",
                          "Cannot enable erasure coding policy ", name, err);

    if (!rc) rc = find_policy(core, name, &policy, err);
    if (rc) return rc;
    if (!policy->enabled || policy->id == core->ec_policies->standard)
        log_change(core, op, EDIT_ENABLE_EC_POLICY, name);
    return 0;
}

int op_disable_erasure_coding_policy(struct core *core, struct op *op,
                                     const Pb__DisableErasureCodingPolicyRequest *request,
                                     Pb__DisableErasureCodingPolicyResponse *response UNUSED,
                                     struct err *err)
{
    const char *name = request->ecpolicyname;
    struct ec_policy *policy = NULL;
    int rc = begin_change(core, op, "disableErasureCodingPolicy",
                          "Cannot disable erasure coding policy ", name, err);

    if (!rc) rc = find_policy(core, name, &policy, err);
    if (rc) return rc;
    if (policy->enabled) log_change(core, op, EDIT_DISABLE_EC_POLICY, name);
    return 0;
}

int op_remove_erasure_coding_policy(struct core *core, struct op *op,
                                    const Pb__RemoveErasureCodingPolicyRequest *request,
                                    Pb__RemoveErasureCodingPolicyResponse *response UNUSED,
                                    struct err *err)
{
    const char *name = request->ecpolicyname;
    struct ec_policy *policy = NULL;
    int rc = begin_change(core, op, "removeErasureCodingPolicy",
                          "Cannot remove erasure coding policy ", name, err);

    if (!rc) rc = find_policy(core, name, &policy, err);
    if (rc) return rc;
    if (policy->id <= EC_POLICY_SYSTEM_MAX)
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "System erasure coding policy %s cannot be removed", name);
    log_change(core, op, EDIT_REMOVE_EC_POLICY, name);
    return 0;
}

/* ErasureCodingPolicyManager.addPolicy's refusals; *schema as Apache takes it: of its own policies by their id. */
static int check_new(struct core *core, struct op *op, const Pb__ErasureCodingPolicy *policy,
                     struct err *err)
{
    const Pb__ECSchema *schema = policy->schema;

    if (!core->conf.ec_user_policies)
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "Addition of user defined erasure coding policy is disabled.");
    if (!ec_codec_is_known(schema->codecname))
        return err_set(err, ERR_HADOOP_ARGUMENT, "Codec name %s is not supported",
                       schema->codecname);
    uint64_t blocks = (uint64_t)schema->dataunits + schema->parityunits;
    if (blocks > EC_GROUP_BLOCKS_MAX)
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "Number of data and parity blocks in an EC group %" PRIu64
                       " should not exceed maximum %d",
                       blocks, EC_GROUP_BLOCKS_MAX);
    if (policy->cellsize > core->conf.ec_cell_size_max)
        return err_set(err, ERR_HADOOP_ARGUMENT, "Cell size %u should not exceed maximum %u bytes",
                       policy->cellsize, core->conf.ec_cell_size_max);
    if (!schema->dataunits || !schema->parityunits)
        return err_set(err, ERR_ARGUMENT, "Data units and parity units must be positive");
    if (!policy->cellsize) return err_set(err, ERR_ARGUMENT, "cellSize must be positive");
    if (policy->cellsize % 1024) return err_set(err, ERR_ARGUMENT, "cellSize must be 1024 aligned");
    if (core->ec_policies->id_last == EC_POLICY_ID_MAX &&
        !ec_policy_find(core->ec_policies,
                        ec_policy_compose_name(schema, policy->cellsize, op->arena)))
        return err_set(err, ERR_HADOOP_ARGUMENT,
                       "Adding erasure coding policy failed because the number of policies stored "
                       "in the system already reached the threshold, which is %d",
                       EC_POLICY_ID_MAX);
    return 0;
}

/* One policy that was asked for: logged as it came, answered as it is now. */
static void add_policy(struct core *core, struct op *op, const Pb__ErasureCodingPolicy *policy,
                       Pb__AddErasureCodingPolicyResponse *response)
{
    struct buf bytes = {0};

    ec_policy_encode(policy, &bytes);
    struct edit edit = {
        .op = EDIT_ADD_EC_POLICY, .opaque = bytes.data, .opaque_size = bytes.length};
    op_stamp(op, &edit);
    core_edit(core, &edit);
    buf_release(&bytes);
    const struct ec_policy *now = ec_policy_find(
        core->ec_policies, ec_policy_compose_name(policy->schema, policy->cellsize, op->arena));
    assert(now);
    response->policy = ec_policy_message(now, op->arena);
    response->succeed = true;
}

int op_add_erasure_coding_policies(struct core *core, struct op *op,
                                   const Pb__AddErasureCodingPoliciesRequest *request,
                                   Pb__AddErasureCodingPoliciesResponse *response, struct err *err)
{
    int rc = begin_change(core, op, "addErasureCodingPolicies", "Cannot add erasure coding policy",
                          "", err);

    for (size_t i = 0; i < request->n_ecpolicies && !rc; i++) {
        const Pb__ErasureCodingPolicy *policy = request->ecpolicies[i];
        if (policy->id && policy->id <= EC_POLICY_SYSTEM_MAX) continue;
        if (!policy->name || !policy->schema || !policy->has_cellsize)
            rc = err_set(err, ERR_ARGUMENT, "Missing %s field in ErasureCodingPolicy proto",
                         !policy->name     ? "name"
                         : !policy->schema ? "schema"
                                           : "cellsize");
    }
    if (rc) return rc;
    response->responses =
        ARENA_ARRAY(op->arena, Pb__AddErasureCodingPolicyResponse *, request->n_ecpolicies);
    response->n_responses = request->n_ecpolicies;
    for (size_t i = 0; i < request->n_ecpolicies; i++) {
        const Pb__ErasureCodingPolicy *policy = request->ecpolicies[i];
        struct err why = ERR_INIT;

        if (policy->id && policy->id <= EC_POLICY_SYSTEM_MAX)
            policy = &core->ec_policies->by_id[policy->id].message;
        response->responses[i] = ARENA_NEW(op->arena, Pb__AddErasureCodingPolicyResponse);
        pb__add_erasure_coding_policy_response__init(response->responses[i]);
        if (check_new(core, op, policy, &why)) {
            response->responses[i]->policy = request->ecpolicies[i];
            response->responses[i]->errormsg = arena_strdup(op->arena, why.text);
        } else {
            add_policy(core, op, policy, response->responses[i]);
        }
    }
    return 0;
}
