#include "tests/sim/sim.h"

enum { FILES_MAX = 60, LEASE_RENEW_MS = 20000 };

static void new_identity(struct sim_client *client)
{
    client->generation++;
    for (size_t i = 0; i < sizeof client->peer.client_id; i++)
        client->peer.client_id[i] = (uint8_t)chance(256);
    client->peer.has_client_id = true;
    snprintf(client->name, sizeof client->name, "DFSClient_%u_%u", client->index,
             client->generation);
}

static int change(struct actor *actor, struct sim_client *client, const char *method,
                  const void *request, void *response)
{
    client->busy = true;
    return rpc(actor, &client->peer, method, request, response, true);
}

static void new_path(struct sim_client *client, char path[160])
{
    const struct model_file *dir = model_pick(client, true);
    const char *parent = dir && strlen(dir->path) < 60 ? dir->path : client->root;

    snprintf(path, 160, "%s/%s%" PRIu64, parent, once_in(2) ? "f" : "d", client->names++ % 200);
}

static void do_mkdirs(struct actor *actor, struct sim_client *client, const char *path)
{
    Pb__MkdirsRequest request = PB__MKDIRS_REQUEST__INIT;
    Pb__MkdirsResponse *response;
    Pb__FsPermission permission = PB__FS_PERMISSION__INIT;

    permission.perm = 0755;
    request.src = (char *)(uintptr_t)path;
    request.masked = &permission;
    request.createparent = true;
    if (change(actor, client, "mkdirs", &request, &response)) sim_fail("%s", rpc_error());
    sim_require(response->result, "mkdirs %s", path);
    model_add(client, path, true);
}

static void do_write(struct actor *actor, struct sim_client *client)
{
    const struct model_file *old = once_in(5) ? model_pick(client, false) : NULL;
    char path[160];
    uint64_t length;
    uint32_t replication = (uint32_t)between(2, 4);

    new_path(client, path);
    if (model_find(client, path)) return;
    if (old) snprintf(path, sizeof path, "%s", old->path);
    client->writing = true;
    bool whole = write_file(actor, client, path, replication, &length);
    client->writing = false;
    struct model_file *file = model_find(client, path);
    file->loose = !whole;
    file->length = length;
    sim_trace("%s %s %" PRIu64, whole ? "wrote" : "gave up", path, length);
    if (!whole) new_identity(client);
}

/* Nobody answered whether it is there still: either will do, but then all of it. */
static void see_whether_deleted(struct actor *actor, struct sim_client *client, const char *path)
{
    struct resolved resolved;
    struct err err = ERR_INIT;

    while (!nn_is_up()) actor_sleep(actor, 100);
    if (resolve_path(&nn_core()->tree, path, actor_arena(actor), &resolved, &err) ||
        !resolved.inode)
        model_delete(client, path);
}

static void do_delete(struct actor *actor, struct sim_client *client)
{
    Pb__DeleteRequest request = PB__DELETE_REQUEST__INIT;
    Pb__DeleteResponse *response;
    const struct model_file *file = model_pick(client, once_in(4));
    char path[160];

    if (!file || str_eq(file->path, client->root)) return;
    size_t length = (size_t)snprintf(path, sizeof path, "%s", file->path);
    if (once_in(20) && length + 4 < sizeof path) memcpy(path + length, "-not", 5);
    request.src = path;
    request.recursive = true;
    client->busy = true;
    int rc = once_in(2) ? rpc(actor, &client->peer, "delete", &request, &response, true)
                        : rpc_until_restart(actor, &client->peer, "delete", &request, &response);
    if (rc == CALL_LOST) {
        see_whether_deleted(actor, client, path);
        return;
    }
    if (rc) sim_fail("%s", rpc_error());
    sim_require(!!response->result == !!model_find(client, path), "delete %s says %d", path,
                (int)response->result);
    model_delete(client, path);
}

static void do_rename(struct actor *actor, struct sim_client *client)
{
    Pb__RenameRequest request = PB__RENAME_REQUEST__INIT;
    Pb__RenameResponse *response;
    const struct model_file *file = model_pick(client, once_in(4));
    char from[160], to[160];

    if (!file || str_eq(file->path, client->root)) return;
    snprintf(from, sizeof from, "%s", file->path);
    new_path(client, to);
    size_t length = strlen(from);
    if (model_find(client, to) || (!strncmp(to, from, length) && to[length] == '/')) return;
    if (strlen(to) > 60) return;
    request.src = from;
    request.dst = to;
    if (change(actor, client, "rename", &request, &response)) sim_fail("%s", rpc_error());
    sim_require(response->result, "rename %s to %s says no", from, to);
    model_rename(client, from, to);
}

static void do_set_replication(struct actor *actor, struct sim_client *client)
{
    Pb__SetReplicationRequest request = PB__SET_REPLICATION_REQUEST__INIT;
    Pb__SetReplicationResponse *response;
    struct model_file *file = model_pick(client, false);
    char path[160];

    if (!file || file->loose) return;
    snprintf(path, sizeof path, "%s", file->path);
    request.src = path;
    request.replication = (uint32_t)between(2, 4);
    if (change(actor, client, "setReplication", &request, &response)) sim_fail("%s", rpc_error());
    model_find(client, path)->replication = request.replication;
}

/* Reads what can be reached; what is bad is reported. */
static void do_read(struct actor *actor, struct sim_client *client)
{
    Pb__GetBlockLocationsRequest request = PB__GET_BLOCK_LOCATIONS_REQUEST__INIT;
    Pb__GetBlockLocationsResponse *response;
    const struct model_file *file = model_pick(client, false);
    char path[160];

    if (!file) return;
    snprintf(path, sizeof path, "%s", file->path);
    request.src = path;
    request.length = INT64_MAX;
    int rc = rpc(actor, &client->peer, "getBlockLocations", &request, &response, true);
    if (rc) sim_fail("%s", rpc_error());
    for (size_t i = 0; response->locations && i < response->locations->n_blocks; i++) {
        const Pb__LocatedBlock *block = response->locations->blocks[i];
        for (size_t k = 0; k < block->n_locs; k++) {
            struct sim_datanode *dn = dn_by_uuid(block->locs[k]->id->datanodeuuid);
            struct replica *replica = dn_serves(dn) ? dn_replica(dn, block->b->blockid) : NULL;
            if (!replica || replica->stamp != block->b->generationstamp) continue;
            struct replica copy = *replica;
            if (replica->corrupt) dn_report_bad(actor, &client->peer, dn, &copy);
        }
    }
}

static void act(struct actor *actor, struct sim_client *client)
{
    char path[160];
    uint64_t what = chance(100);

    if (client->count > FILES_MAX || what < 20) {
        do_delete(actor, client);
    } else if (what < 30) {
        new_path(client, path);
        if (!model_find(client, path)) do_mkdirs(actor, client, path);
    } else if (what < 45) {
        do_rename(actor, client);
    } else if (what < 52) {
        do_set_replication(actor, client);
    } else if (what < 65) {
        do_read(actor, client);
    } else {
        do_write(actor, client);
    }
}

static void live(struct actor *actor, void *arg)
{
    struct sim_client *client = arg;

    do_mkdirs(actor, client, client->root);
    while (!sim.ending) {
        client->busy = false;
        arena_clear(actor_arena(actor));
        if (nn_is_up() && once_in(5)) model_check(client);
        actor_sleep(actor, between(1, 8000));
        act(actor, client);
    }
    client->busy = false;
    client->done = true;
}

/* The thread that keeps the leases of a client that writes. */
static void keep_lease(struct actor *actor, void *arg)
{
    struct sim_client *client = arg;
    Pb__RenewLeaseRequest request = PB__RENEW_LEASE_REQUEST__INIT;
    Pb__RenewLeaseResponse *response;
    struct peer peer = client->peer;
    char name[40];

    while (!client->done) {
        actor_sleep(actor, LEASE_RENEW_MS);
        arena_clear(actor_arena(actor));
        if (!client->writing) continue;
        snprintf(name, sizeof name, "%s", client->name);
        peer.has_client_id = false;
        request.clientname = name;
        (void)!rpc(actor, &peer, "renewLease", &request, &response, false);
    }
}

void client_setup(uint32_t index)
{
    struct sim_client *client = &clients[index];

    *client = (struct sim_client){.index = index};
    snprintf(client->root, sizeof client->root, "/c%u", index);
    snprintf(client->peer.ip, sizeof client->peer.ip, "10.1.0.%u", index + 1);
    new_identity(client);
    actor_start(live, client);
    actor_start(keep_lease, client);
}

bool clients_are_done(void)
{
    for (uint32_t i = 0; i < sim.client_count; i++)
        if (!clients[i].done) return false;
    return true;
}
