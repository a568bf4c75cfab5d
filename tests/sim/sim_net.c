/* Calls: each message may be lost, late or repeated. A caller that hears nothing sends the same call again, with its ids. */
#include "tests/sim/sim.h"

enum { ANSWER_MS = 15000, REFUSED_MS = 1000, SAFE_MODE_MS = 2000 };

/* One call on its way, known by ticket as long as its caller waits. */
struct ticket {
    uint64_t number;
    struct actor *actor;
    struct peer *peer;
    bool answered;
    int rc;
    void *data;
    size_t size;
    UT_hash_handle hh;
};

struct parcel { /* a message in the air */
    const struct op_entry *entry;
    uint8_t *data;
    size_t size;
    char ip[32];
    uint8_t client_id[16];
    bool has_client_id;
    int32_t call_id;
    uint64_t ticket, epoch;
    int rc;
};

static struct ticket *tickets;
static uint64_t numbers;
static char last_error[1024];

const char *rpc_error(void)
{
    return last_error;
}

static struct ticket *find(uint64_t number)
{
    struct ticket *ticket;

    HASH_FIND(hh, tickets, &number, sizeof number, ticket);
    return ticket;
}

static const struct op_entry *entry_of(const char *method)
{
    for (size_t i = 0; i < op_table_length; i++)
        if (str_eq(op_table[i].method, method)) return &op_table[i];
    sim_fail("no method %s", method);
}

static bool is_lost(void)
{
    if (!sim.faulty || chance(1000) >= sim.loss_permille) return false;
    sim.counts.lost++;
    return true;
}

static int64_t delay(void)
{
    return between(0, once_in(100) ? 20 * sim.delay_ms : sim.delay_ms);
}

static void parcel_free(struct parcel *parcel)
{
    mem_free(parcel->data);
    mem_free(parcel);
}

static void on_request(void *arg, uint64_t token UNUSED)
{
    struct parcel *parcel = arg;
    const struct ticket *ticket = find(parcel->ticket);
    struct sim_message message = {.entry = parcel->entry,
                                  .data = parcel->data,
                                  .size = parcel->size,
                                  .ip = parcel->ip,
                                  .client_id = parcel->has_client_id ? parcel->client_id : NULL,
                                  .call_id = parcel->call_id,
                                  .ticket = parcel->ticket};

    /* A repeat that comes late is harmless only where it is known as one: the others went with their connection. */
    bool known = ticket || parcel->entry->flags & OP_ONCE;
    if (nn_is_up() && nn_epoch() == parcel->epoch && known) nn_receive(&message);
    parcel_free(parcel);
}

static void send_request(const struct ticket *ticket, const struct parcel *sample)
{
    struct parcel *parcel = NEW(struct parcel);

    *parcel = *sample;
    parcel->ticket = ticket->number;
    parcel->epoch = nn_epoch();
    parcel->data = mem_alloc(sample->size + 1);
    memcpy(parcel->data, sample->data, sample->size);
    sim_at(delay(), on_request, parcel, 0);
}

static void on_answer(void *arg, uint64_t token UNUSED)
{
    struct parcel *parcel = arg;
    struct ticket *ticket = find(parcel->ticket);

    if (ticket && !ticket->answered && !ticket->peer->cut) {
        ticket->answered = true;
        ticket->rc = parcel->rc;
        ticket->size = parcel->size;
        ticket->data = arena_copy(actor_arena(ticket->actor),
                                  parcel->data ? (void *)parcel->data : "", parcel->size);
        actor_wake(ticket->actor);
    }
    parcel_free(parcel);
}

void net_answer(void *sender UNUSED, uint64_t ticket, int rc, const char *text, const void *data,
                size_t size)
{
    if (is_lost()) return;
    struct parcel *parcel = NEW(struct parcel);
    *parcel = (struct parcel){.ticket = ticket, .rc = rc};
    parcel->size = rc ? strlen(text) + 1 : size;
    parcel->data = mem_alloc(parcel->size + 1);
    memcpy(parcel->data, rc ? (const void *)text : data, parcel->size);
    sim_at(delay(), on_answer, parcel, 0);
}

static void attempt(struct actor *actor, struct ticket *ticket, const struct parcel *parcel)
{
    int64_t until_ms = sim.now_ms + ANSWER_MS;

    if (!nn_is_up() || ticket->peer->cut) {
        actor_sleep(actor, REFUSED_MS + (int64_t)chance(1000));
        return;
    }
    if (!is_lost()) send_request(ticket, parcel);
    if (sim.faulty && chance(1000) < sim.repeat_permille && parcel->has_client_id)
        send_request(ticket, parcel);
    while (!ticket->answered && sim.now_ms < until_ms) actor_sleep(actor, until_ms - sim.now_ms);
}

/* Answers after which a client tries on, with the same ids (RetriableException). */
static bool is_for_now(int rc)
{
    return rc == ERR_SAFE_MODE || rc == ERR_RETRIABLE;
}

static int send_call(struct actor *actor, struct peer *peer, const char *method,
                     const void *request, void *response, bool repeat, bool gives_up)
{
    const struct op_entry *entry = entry_of(method);
    struct ticket ticket = {.number = ++numbers, .actor = actor, .peer = peer};
    struct parcel parcel = {.entry = entry,
                            .has_client_id = peer->has_client_id,
                            .call_id = peer->call_id++,
                            .size = protobuf_c_message_get_packed_size(request)};

    uint64_t epoch = nn_epoch();

    parcel.data = arena_alloc(actor_arena(actor), parcel.size + 1);
    protobuf_c_message_pack(request, parcel.data);
    memcpy(parcel.client_id, peer->client_id, sizeof parcel.client_id);
    snprintf(parcel.ip, sizeof parcel.ip, "%s", peer->ip);
    HASH_ADD(hh, tickets, number, sizeof ticket.number, &ticket);
    do {
        if (ticket.answered) actor_sleep(actor, SAFE_MODE_MS);
        ticket.answered = false;
        attempt(actor, &ticket, &parcel);
    } while (repeat && !(gives_up && nn_epoch() != epoch && !ticket.answered) &&
             (!ticket.answered || is_for_now(ticket.rc)));
    HASH_DEL(tickets, &ticket);
    if (!ticket.answered) return CALL_LOST;
    if (ticket.rc) {
        snprintf(last_error, sizeof last_error, "%s: %.1000s", method, (const char *)ticket.data);
        return ticket.rc;
    }
    void *message = protobuf_c_message_unpack(entry->response, arena_protobuf(actor_arena(actor)),
                                              ticket.size, ticket.data);
    sim_require(message, "the answer of %s does not unpack", method);
    *(void **)response = message;
    return 0;
}

int rpc(struct actor *actor, struct peer *peer, const char *method, const void *request,
        void *response, bool repeat)
{
    return send_call(actor, peer, method, request, response, repeat, false);
}

int rpc_until_restart(struct actor *actor, struct peer *peer, const char *method,
                      const void *request, void *response)
{
    return send_call(actor, peer, method, request, response, true, true);
}
