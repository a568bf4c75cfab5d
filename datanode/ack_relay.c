#include "datanode/ack_relay.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

enum { CAPACITY_FIRST = 16 };

void ack_relay_init(struct ack_relay *relay, int up_fd, int timeout_ms, bool has_mirror,
                    const atomic_uint *marks, struct replica_write *write)
{
    *relay = (struct ack_relay){.up_fd = up_fd,
                                .timeout_ms = timeout_ms,
                                .has_mirror = has_mirror,
                                .marks = marks,
                                .write = write};
}

void ack_relay_release(struct ack_relay *relay)
{
    mem_free(relay->ring);
    buf_release(&relay->out);
}

static struct ack_wait *slot(struct ack_relay *relay, uint32_t i)
{
    return &relay->ring[(relay->head + i) & (relay->capacity - 1)];
}

static void grow(struct ack_relay *relay)
{
    uint32_t capacity = relay->capacity ? relay->capacity * 2 : CAPACITY_FIRST;
    struct ack_wait *ring = mem_alloc(capacity * sizeof *ring);

    for (uint32_t i = 0; i < relay->count; i++) ring[i] = *slot(relay, i);
    mem_free(relay->ring);
    relay->ring = ring;
    relay->capacity = capacity;
    relay->head = 0;
}

int ack_relay_flush(struct ack_relay *relay, struct err *err)
{
    if (!relay->held) return 0;
    int rc =
        xfer_write(relay->up_fd, relay->out.data, relay->out.length, 0, relay->timeout_ms, err);
    buf_clear(&relay->out);
    relay->held = 0;
    return rc;
}

static int send_ack(struct ack_relay *relay, const struct xfer_ack *ack, bool bulk, struct err *err)
{
    xfer_ack_put(&relay->out, ack);
    relay->held++;
    return bulk && relay->held < ACKS_HELD_MAX ? 0 : ack_relay_flush(relay, err);
}

static uint32_t entry(const struct ack_relay *relay, Pb__Status status)
{
    return (uint32_t)status | atomic_load_explicit(relay->marks, memory_order_relaxed);
}

static void note_acked(struct ack_relay *relay, const struct ack_wait *packet)
{
    if (relay->write->open && packet->seqno != XFER_SEQNO_HEARTBEAT)
        write_acked(relay->write, packet->end);
    relay->last_acked |= packet->last;
}

/* One or two entries of ours, in relay->ack, which nobody else needs now. */
static int send_own(struct ack_relay *relay, int64_t seqno, Pb__Status first, int second, bool bulk,
                    struct err *err)
{
    relay->ack.seqno = seqno;
    relay->ack.downstream_ns = 0;
    relay->ack.count = second < 0 ? 1 : 2;
    relay->ack.entry[0] = entry(relay, first);
    if (second >= 0) relay->ack.entry[1] = entry(relay, (Pb__Status)second);
    return send_ack(relay, &relay->ack, bulk, err);
}

int ack_relay_add(struct ack_relay *relay, int64_t seqno, int64_t end, bool last, bool bulk,
                  struct err *err)
{
    struct ack_wait packet = {
        .seqno = seqno, .end = end, .last = last, .bulk = bulk, .since_ns = clock_mono_ns()};

    if (relay->broken)
        return send_own(relay, seqno, PB__STATUS__SUCCESS, PB__STATUS__ERROR, false, err);
    if (!relay->has_mirror) {
        note_acked(relay, &packet);
        return send_own(relay, seqno, PB__STATUS__SUCCESS, -1, bulk, err);
    }
    assert(!ack_relay_full(relay));
    if (relay->count == relay->capacity) grow(relay);
    *slot(relay, relay->count++) = packet;
    return 0;
}

static int pass_on(struct ack_relay *relay, bool bulk, struct err *err)
{
    struct xfer_ack *ack = &relay->ack;

    if (ack->count == XFER_PIPELINE_MAX)
        return err_set(err, ERR_BAD_MESSAGE, "pipeline ack with %u entries", ack->count);
    memmove(ack->entry + 1, ack->entry, ack->count * sizeof *ack->entry);
    ack->entry[0] = entry(relay, PB__STATUS__SUCCESS);
    ack->count++;
    return send_ack(relay, ack, bulk, err);
}

int ack_relay_take(struct ack_relay *relay, struct err *err)
{
    struct xfer_ack *ack = &relay->ack;

    if (ack->seqno == XFER_SEQNO_OOB) {
        log_info("Relaying an out of band ack of type %s",
                 xfer_ack_first_bad(ack) < 0 ? "SUCCESS" : "OOB");
        return pass_on(relay, false, err);
    }
    struct ack_wait packet =
        relay->count ? *slot(relay, 0) : (struct ack_wait){.seqno = XFER_SEQNO_UNKNOWN};
    if (packet.seqno != ack->seqno || !relay->count) {
        log_warn("blk_%" PRId64 ": the mirror acked packet %" PRId64 " instead of %" PRId64,
                 relay->write->open ? relay->write->open->id : 0, ack->seqno, packet.seqno);
        return ack_relay_break(relay, err);
    }
    if (ack->count && xfer_ack_status(ack, 0) == PB__STATUS__ERROR_CHECKSUM)
        return err_set(err, ERR_CHECKSUM,
                       "Shutting down writer and responder since the down streams "
                       "reported the data sent by this thread is corrupt");
    relay->head = (relay->head + 1) & (relay->capacity - 1);
    relay->count--;
    ack->downstream_ns = (uint64_t)(clock_mono_ns() - packet.since_ns);
    if (xfer_ack_ok(ack)) note_acked(relay, &packet);
    relay->last_acked |= packet.last;
    return pass_on(relay, packet.bulk && xfer_ack_ok(ack), err);
}

int ack_relay_break(struct ack_relay *relay, struct err *err)
{
    int rc = 0;

    if (relay->broken) return 0;
    relay->broken = true;
    /* Nothing waits: upstream shall know nevertheless, before it sends more. */
    if (!relay->count)
        return send_own(relay, XFER_SEQNO_OOB, PB__STATUS__SUCCESS, PB__STATUS__ERROR, false, err);
    for (uint32_t i = 0; i < relay->count && !rc; i++)
        rc = send_own(relay, slot(relay, i)->seqno, PB__STATUS__SUCCESS, PB__STATUS__ERROR, false,
                      err);
    relay->count = 0;
    return rc;
}

int ack_relay_fail(struct ack_relay *relay, int64_t seqno, Pb__Status status, struct err *err)
{
    return send_own(relay, seqno, status, -1, false, err);
}

int64_t ack_relay_age_ms(const struct ack_relay *relay)
{
    if (!relay->count) return 0;
    return (clock_mono_ns() - relay->ring[relay->head].since_ns) / 1000000;
}
