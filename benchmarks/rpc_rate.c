/*
 * Calls per second through the RPC layer alone: a server that echoes on its network threads or on a
 * thread of its own, and clients on the same machine. What it prints is the ceiling for a
 * namenode's cheapest operation.
 *
 *   rpc_rate [clients [in flight each [seconds [network threads]]]]
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/rpc_client.h"
#include "common/rpc_server.h"
#include "proto/client_namenode.pb-c.h"

#define CLIENT_PROTOCOL "org.apache.hadoop.hdfs.protocol.ClientProtocol"

enum { IN_FLIGHT_MAX = 256 };

static struct {
    struct rpc_server *server;
    uint16_t port;
    bool apart; /* calls run on the daemon's thread */
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct rpc_call *queue;
    bool stop;
} side = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static atomic_bool over;
static int in_flight;

static void run_echo(void *context UNUSED, struct rpc_call *call, const ProtobufCMessage *message)
{
    Pb__GetLinkTargetResponse response = PB__GET_LINK_TARGET_RESPONSE__INIT;

    response.targetpath = ((const Pb__GetLinkTargetRequest *)message)->path;
    rpc_call_reply(call, &response.base);
}

static const struct rpc_op ops[] = {
    {CLIENT_PROTOCOL, "getLinkTarget", &pb__get_link_target_request__descriptor, run_echo, 0},
};

static void submit(void *context UNUSED, struct rpc_call *call)
{
    if (!side.apart) {
        rpc_call_run(call);
        rpc_call_release(call);
        return;
    }
    pthread_mutex_lock(&side.lock);
    call->next = side.queue;
    side.queue = call;
    pthread_mutex_unlock(&side.lock);
}

static void submit_end(void *context UNUSED)
{
    if (side.apart) pthread_cond_signal(&side.more);
}

static void *daemon_main(void *arg UNUSED)
{
    pthread_mutex_lock(&side.lock);
    while (!side.stop) {
        struct rpc_call *call = side.queue;
        side.queue = NULL;
        if (!call) {
            pthread_cond_wait(&side.more, &side.lock);
            continue;
        }
        pthread_mutex_unlock(&side.lock);
        while (call) {
            struct rpc_call *next = call->next;
            rpc_call_run(call);
            rpc_call_release(call);
            call = next;
        }
        rpc_server_flush(side.server);
        pthread_mutex_lock(&side.lock);
    }
    pthread_mutex_unlock(&side.lock);
    return NULL;
}

static int take(struct rpc_pending **pending, struct arena *arena, struct err *err)
{
    ProtobufCMessage *response;
    int rc =
        rpc_client_wait(*pending, &pb__get_link_target_response__descriptor, arena, &response, err);

    *pending = NULL;
    arena_clear(arena);
    return rc;
}

static void *client_main(void *arg)
{
    struct rpc_client_options options = {
        .host = "127.0.0.1", .port = side.port, .protocol = CLIENT_PROTOCOL, .user = "bench"};
    struct rpc_client *client = rpc_client_new(&options);
    Pb__GetLinkTargetRequest request = PB__GET_LINK_TARGET_REQUEST__INIT;
    struct rpc_pending *pending[IN_FLIGHT_MAX] = {0};
    struct arena arena = {0};
    struct err err = ERR_INIT;
    uint64_t *calls = arg;
    int rc = 0;

    request.path = "/user/alice/data/part-00042.parquet";
    for (int slot = 0; !rc && !atomic_load_explicit(&over, memory_order_relaxed);
         slot = (slot + 1) % in_flight) {
        if (pending[slot]) rc = take(&pending[slot], &arena, &err);
        if (!rc)
            rc = rpc_client_start(client, NULL, "getLinkTarget", &request.base, &pending[slot],
                                  &err);
        ++*calls;
    }
    for (int slot = 0; slot < in_flight; slot++)
        if (pending[slot]) rc |= take(&pending[slot], &arena, &err);
    if (rc) fprintf(stderr, "rpc_rate: %s\n", err.text);
    arena_release(&arena);
    rpc_client_free(client);
    return NULL;
}

static uint64_t run(int clients, int64_t duration_ms)
{
    pthread_t threads[256];
    uint64_t *calls = NEW_ARRAY(uint64_t, clients * 8), total = 0;

    atomic_store(&over, false);
    for (int i = 0; i < clients; i++) pthread_create(&threads[i], NULL, client_main, &calls[i * 8]);
    clock_sleep_ms(duration_ms);
    atomic_store(&over, true);
    for (int i = 0; i < clients; i++) {
        pthread_join(threads[i], NULL);
        total += calls[i * 8];
    }
    mem_free(calls);
    return total;
}

static int number(int argc, char **argv, int position, int otherwise, int max)
{
    int value = argc > position ? atoi(argv[position]) : otherwise;
    return MIN(MAX(value, 1), max);
}

int main(int argc, char **argv)
{
    int clients = number(argc, argv, 1, 4, 256), seconds = number(argc, argv, 3, 2, 60);
    struct rpc_server_options options = {.submit = submit,
                                         .submit_end = submit_end,
                                         .name = "bench",
                                         .threads = number(argc, argv, 4, 1, 64)};
    struct err err = ERR_INIT;
    pthread_t thread;

    in_flight = number(argc, argv, 2, 16, IN_FLIGHT_MAX);
    side.server = rpc_server_new(&options);
    rpc_server_add_ops(side.server, ops, ARRAY_LEN(ops));
    if (rpc_server_listen(side.server, "127.0.0.1", 0, &side.port, &err) ||
        rpc_server_start(side.server, &err)) {
        fprintf(stderr, "rpc_rate: %s\n", err.text);
        return 1;
    }
    pthread_create(&thread, NULL, daemon_main, NULL);
    for (int apart = 0; apart < 2; apart++) {
        side.apart = apart;
        uint64_t calls = run(clients, seconds * SECOND_MS);
        printf("rpc_rate: %d clients, %d in flight each, %s: %" PRIu64 " calls/s\n", clients,
               in_flight, apart ? "run on another thread" : "run on the network thread",
               calls / (uint64_t)seconds);
    }
    rpc_server_stop(side.server);
    pthread_mutex_lock(&side.lock);
    side.stop = true;
    pthread_cond_signal(&side.more);
    pthread_mutex_unlock(&side.lock);
    pthread_join(thread, NULL);
    rpc_server_free(side.server);
    return 0;
}
