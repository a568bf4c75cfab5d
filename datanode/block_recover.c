#include "datanode/block_recover.h"

#include <stdio.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/user.h"

enum { CALL_TIMEOUT_MS = 60000 };

struct recovery {
    struct datanode *dn;
    struct block_pool *pool;
    const Pb__RecoveringBlock *order;
    struct block_name block;
    struct arena arena;
    size_t nodes;
    struct rpc_client **clients; /* by node; NULL: ourselves, or not met yet */
    char **storages;             /* by node; of those that succeeded */
};

/* ---- the choice ---- */

static int best_state(const struct recover_answer *answers, size_t count, enum replica_state *best,
                      int64_t *finalized, struct err *err)
{
    *best = REPLICA_RWR;
    *finalized = -1;
    for (size_t i = 0; i < count; i++) {
        *best = MIN(*best, answers[i].original);
        if (answers[i].original != REPLICA_FINALIZED) continue;
        if (*finalized > 0 && *finalized != answers[i].length)
            return err_set(err, ERR_IO,
                           "Inconsistent size of finalized replicas. Replica of %" PRId64
                           " bytes expected size: %" PRId64,
                           answers[i].length, *finalized);
        *finalized = answers[i].length;
    }
    return 0;
}

int recover_choose(struct recover_answer *answers, size_t count, uint64_t block_gs,
                   int64_t new_length, struct recover_choice *choice, struct err *err)
{
    enum replica_state best;
    int64_t finalized, shortest = INT64_MAX;
    size_t candidates = 0, usable = 0, members = 0;

    for (size_t i = 0; i < count; i++) {
        if (answers[i].gs < block_gs || answers[i].length <= 0) continue;
        candidates++;
        if (answers[i].original <= REPLICA_RWR) answers[usable++] = answers[i];
    }
    *choice = (struct recover_choice){.members = answers, .discard = !candidates};
    if (!candidates) return 0;
    if (!usable)
        return err_set(err, ERR_IO, "Found %zu replica(s) but none is in RWR or better state.",
                       candidates);
    int rc = best_state(answers, usable, &best, &finalized, err);
    if (rc) return rc;
    for (size_t i = 0; i < usable; i++) {
        bool joins = answers[i].original == best ||
                     (best == REPLICA_FINALIZED && answers[i].original == REPLICA_RBW &&
                      answers[i].length == finalized);
        if (!joins) continue;
        shortest = MIN(shortest, answers[i].length);
        answers[members++] = answers[i];
    }
    choice->count = members;
    choice->length = new_length >= 0             ? new_length
                     : best == REPLICA_FINALIZED ? finalized
                                                 : shortest;
    return 0;
}

/* ---- talking to the replicas ---- */

static bool is_self(const struct recovery *r, const Pb__DatanodeID *id)
{
    return str_eq(id->datanodeuuid, r->dn->uuid);
}

static struct rpc_client *client_of(struct recovery *r, size_t node)
{
    const Pb__DatanodeID *id = r->order->block->locs[node]->id;
    char *user = user_current();
    struct rpc_client_options options = {.host = r->dn->settings.use_hostname ? id->hostname
                                                                              : id->ipaddr,
                                         .port = (uint16_t)id->ipcport,
                                         .protocol = INTER_DATANODE_PROTOCOL,
                                         .user = user,
                                         .connect_timeout_ms = r->dn->settings.socket_timeout_ms,
                                         .timeout_ms = CALL_TIMEOUT_MS};

    if (!r->clients[node]) r->clients[node] = rpc_client_new(&options);
    mem_free(user);
    return r->clients[node];
}

static int ask_other(struct recovery *r, size_t node, bool *found, struct recovery_info *info,
                     struct err *err)
{
    Pb__InitReplicaRecoveryRequest request = PB__INIT_REPLICA_RECOVERY_REQUEST__INIT;
    ProtobufCMessage *message;

    request.block = (Pb__RecoveringBlock *)(uintptr_t)r->order;
    int rc =
        rpc_client_call(client_of(r, node), "initReplicaRecovery", &request.base,
                        &pb__init_replica_recovery_response__descriptor, &r->arena, &message, err);
    if (rc) return rc;
    const Pb__InitReplicaRecoveryResponse *answer = (Pb__InitReplicaRecoveryResponse *)message;
    *found = answer->replicafound && answer->block;
    if (*found)
        *info = (struct recovery_info){.gs = answer->block->genstamp,
                                       .length = (int64_t)answer->block->numbytes,
                                       .original = (enum replica_state)answer->state};
    return 0;
}

static int ask(struct recovery *r, size_t node, bool *found, struct recovery_info *info,
               struct err *err)
{
    if (is_self(r, r->order->block->locs[node]->id))
        return dataset_init_recovery(r->pool, &r->block, r->order->newgenstamp, found, info, err);
    return ask_other(r, node, found, info, err);
}

static int update_self(struct recovery *r, const struct recover_answer *member, int64_t new_id,
                       int64_t length, size_t node, struct err *err)
{
    struct block_name old = {.id = r->block.id, .gs = r->block.gs, .length = member->length};
    struct volume *volume;

    int rc =
        dataset_update_recovery(r->pool, &old, r->order->newgenstamp, new_id, length, &volume, err);
    if (rc) return rc;
    r->storages[node] = volume->uuid;
    nn_report_received(r->pool->report, volume, new_id ? new_id : old.id, r->order->newgenstamp,
                       length, NULL, 0);
    return 0;
}

static int update(struct recovery *r, const struct recover_answer *member, int64_t new_id,
                  int64_t length, struct err *err)
{
    Pb__UpdateReplicaUnderRecoveryRequest request = PB__UPDATE_REPLICA_UNDER_RECOVERY_REQUEST__INIT;
    Pb__ExtendedBlock block = *r->order->block->b;
    ProtobufCMessage *message;
    size_t node = member->node;

    if (is_self(r, r->order->block->locs[node]->id))
        return update_self(r, member, new_id, length, node, err);
    block.has_numbytes = 1;
    block.numbytes = (uint64_t)member->length;
    block.generationstamp = member->gs;
    request.block = &block;
    request.recoveryid = r->order->newgenstamp;
    request.newlength = (uint64_t)length;
    request.has_newblockid = 1;
    request.newblockid = (uint64_t)(new_id ? new_id : r->block.id);
    int rc = rpc_client_call(client_of(r, node), "updateReplicaUnderRecovery", &request.base,
                             &pb__update_replica_under_recovery_response__descriptor, &r->arena,
                             &message, err);
    if (rc) return rc;
    const Pb__UpdateReplicaUnderRecoveryResponse *answer =
        (Pb__UpdateReplicaUnderRecoveryResponse *)message;
    r->storages[node] = answer->storageuuid ? answer->storageuuid : (char *)(uintptr_t) "";
    return 0;
}

/* ---- the steps ---- */

static int ask_all(struct recovery *r, struct recover_answer *answers, size_t *count,
                   size_t *errors, struct err *err)
{
    *count = *errors = 0;
    for (size_t node = 0; node < r->nodes; node++) {
        const Pb__DatanodeID *id = r->order->block->locs[node]->id;
        struct recovery_info info;
        bool found;
        int rc = ask(r, node, &found, &info, err);
        if (rc == ERR_RECOVERY_IN_PROGRESS) return rc;
        if (rc) {
            log_warn("Failed to recover block (block=blk_%" PRId64 ", datanode=%s:%u): %s",
                     r->block.id, id->ipaddr, id->xferport, err->text);
            (*errors)++;
        } else if (found) {
            answers[(*count)++] = (struct recover_answer){
                .gs = info.gs, .length = info.length, .original = info.original, .node = node};
        }
    }
    if (*errors == r->nodes)
        return err_set(err, ERR_IO, "All datanodes failed: block=blk_%" PRId64, r->block.id);
    return 0;
}

static int commit(struct recovery *r, int64_t length, bool discard, struct err *err)
{
    Pb__CommitBlockSynchronizationRequest request = PB__COMMIT_BLOCK_SYNCHRONIZATION_REQUEST__INIT;
    size_t count = 0;

    request.block = r->order->block->b;
    request.newgenstamp = r->order->newgenstamp;
    request.newlength = (uint64_t)length;
    request.closefile = 1;
    request.deleteblock = discard;
    request.newtaragets =
        arena_alloc(&r->arena, MAX(r->nodes, (size_t)1) * sizeof *request.newtaragets);
    request.newtargetstorages = arena_alloc(&r->arena, MAX(r->nodes, (size_t)1) * sizeof(char *));
    for (size_t node = 0; node < r->nodes && !discard; node++) {
        if (!r->storages[node]) continue;
        request.newtaragets[count] = r->order->block->locs[node]->id;
        request.newtargetstorages[count++] = r->storages[node];
    }
    request.n_newtaragets = request.n_newtargetstorages = count;
    return nn_call_active(r->pool, "commitBlockSynchronization", &request.base,
                          &pb__commit_block_synchronization_response__descriptor, err);
}

static int agree(struct recovery *r, const struct recover_choice *choice, struct err *err)
{
    int64_t new_id = r->order->truncateblock ? (int64_t)r->order->truncateblock->blockid : 0;
    size_t good = 0;

    if (new_id == r->block.id) new_id = 0;
    for (size_t i = 0; i < choice->count; i++) {
        if (!update(r, &choice->members[i], new_id, choice->length, err))
            good++;
        else
            log_warn("Failed to update blk_%" PRId64 " on datanode %s: %s", r->block.id,
                     r->order->block->locs[choice->members[i].node]->id->ipaddr, err->text);
    }
    if (!good) return err_wrap(err, ERR_IO, "Cannot recover blk_%" PRId64, r->block.id);
    return commit(r, choice->length, false, err);
}

static int run(struct recovery *r, struct err *err)
{
    struct recover_answer *answers =
        arena_alloc(&r->arena, MAX(r->nodes, (size_t)1) * sizeof *answers);
    int64_t new_length = r->order->truncateblock ? (int64_t)r->order->truncateblock->numbytes : -1;
    struct recover_choice choice;
    size_t count, errors;

    int rc = ask_all(r, answers, &count, &errors, err);
    if (!rc) rc = recover_choose(answers, count, r->block.gs, new_length, &choice, err);
    if (rc) return rc;
    if (choice.discard &&
        errors) /* a node that is merely away may have the only bytes; the namenode asks again */
        return err_set(err, ERR_IO,
                       "blk_%" PRId64 ": no replica found, but %zu datanodes did not answer",
                       r->block.id, errors);
    log_info("BlockRecoveryWorker: blk_%" PRId64 "_%" PRIu64
             ": %zu of %zu answers, newLength=%" PRId64 "%s",
             r->block.id, r->block.gs, choice.count, count, choice.length,
             choice.discard ? ", to be deleted" : "");
    return choice.discard ? commit(r, 0, true, err) : agree(r, &choice, err);
}

int block_recover(struct block_pool *pool, const Pb__RecoveringBlock *order, struct err *err)
{
    struct recovery r = {
        .dn = pool->service->dn, .pool = pool, .order = order, .nodes = order->block->n_locs};

    if (order->ecpolicy)
        return err_set(err, ERR_UNSUPPORTED,
                       "recovery of striped block groups is not supported by this datanode");
    if (r.nodes > RECOVER_REPLICAS_MAX)
        return err_set(err, ERR_LIMIT, "recovery of %zu replicas", r.nodes);
    r.block = (struct block_name){.id = (int64_t)order->block->b->blockid,
                                  .gs = order->block->b->generationstamp,
                                  .length = (int64_t)order->block->b->numbytes};
    r.clients = NEW_ARRAY(struct rpc_client *, MAX(r.nodes, (size_t)1));
    r.storages = NEW_ARRAY(char *, MAX(r.nodes, (size_t)1));
    int rc = run(&r, err);
    for (size_t i = 0; i < r.nodes; i++) rpc_client_free(r.clients[i]);
    mem_free(r.clients);
    mem_free(r.storages);
    arena_release(&r.arena);
    return rc;
}
