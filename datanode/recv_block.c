#include "datanode/recv_block.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/xfer_packet.h"
#include "datanode/ack_relay.h"
#include "datanode/nn_link.h"

enum {
    LINGER_MS = 3000,
    PROGRESS_MS = 10000,
    WRITE_BEHIND_SIZE = 8 * 1024 * 1024,
    BULK_SIZE = 32 * 1024
};

struct receiver {
    struct xfer_context *ctx;
    struct xfer_in *in; /* where packets come from */
    const Pb__OpWriteBlock *op;
    struct block_pool *pool;
    struct block_name block;
    struct checksum sum; /* of the packets */
    bool same_sum;       /* the file keeps the same */
    bool is_client;      /* else another datanode replicates */
    bool is_transfer;    /* a client's: a copy for its pipeline */
    struct throttle *throttle;
    int64_t next_progress_ms; /* of a REPLACE_BLOCK, whose requester wants to see life; 0: none */

    struct replica_write write;
    uint16_t volume;
    bool finished; /* the last packet was taken */
    int64_t length;

    int mirror_fd; /* -1: none */
    int mirror_timeout_ms, mirror_write_ms;
    unsigned packets;
    struct xfer_in mirror_in;
    char mirror[NET_TEXT_MAX];
    char mirror_http[NET_TEXT_MAX]; /* by which it is called slow; "": it is not measured */
    int64_t behind;                 /* bytes that the kernel was asked to write back */
    struct ack_relay acks;          /* clients' pipelines only */

    struct pool_buffer buffer; /* room for the header, then the payload */
    struct xfer_packet_header packet;
};

static bool has_acks(const struct receiver *r)
{
    return r->is_client && !r->is_transfer;
}

/* ---- set-up: the replica ---- */

static int open_replica(struct receiver *r, struct err *err)
{
    const Pb__OpWriteBlock *op = r->op;
    struct write_wish wish = {.storage_type = op->storagetype, .sum = r->sum, .fd = r->ctx->fd};
    uint64_t new_gs = op->latestgenerationstamp;
    int64_t min = (int64_t)op->minbytesrcvd, max = (int64_t)op->maxbytesrcvd;

    if (min < 0 || max < 0) return err_set(err, ERR_ARGUMENT, "impossible length of a replica");
    if (!r->is_client)
        return dataset_create_temporary(r->pool, &r->block, false, &wish, &r->write, err);
    switch (op->stage) {
    case PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_CREATE:
        return dataset_create_rbw(r->pool, &r->block, new_gs, &wish, &r->write, err);
    case PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_STREAMING_RECOVERY:
        return dataset_recover_rbw(r->pool, &r->block, new_gs, min, max, &wish, &r->write, err);
    case PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_APPEND:
        return dataset_append(r->pool, &r->block, new_gs, min, &wish, &r->write, err);
    case PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_SETUP_APPEND_RECOVERY:
        return dataset_recover_append(r->pool, &r->block, new_gs, min, &wish, &r->write, err);
    case PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__TRANSFER_RBW:
    case PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__TRANSFER_FINALIZED:
        return dataset_create_temporary(r->pool, &r->block, true, &wish, &r->write, err);
    default:
        return err_set(err, ERR_IO, "Unknown stage %d while receiving blk_%" PRId64, (int)op->stage,
                       r->block.id);
    }
}

static int set_up_replica(struct receiver *r, struct err *err)
{
    int rc = open_replica(r, err);

    if (rc) return rc;
    struct volume *volume = write_volume(&r->write);
    const struct checksum *file = &r->write.file.sum;
    r->volume = volume->index;
    r->same_sum =
        file->type == r->sum.type && file->bytes_per_checksum == r->sum.bytes_per_checksum;
    r->block.gs = r->write.open->gs;
    if (has_acks(r)) nn_report_receiving(r->pool->report, volume, r->block.id, r->block.gs);
    return 0;
}

/* ---- set-up: the mirror ---- */

static void mirror_request(const struct receiver *r, struct buf *out)
{
    Pb__OpWriteBlock copy = *r->op;

    copy.n_targets--;
    copy.targets++;
    if (copy.n_targetstoragetypes) {
        copy.has_storagetype = 1;
        copy.storagetype = *copy.targetstoragetypes++;
        copy.n_targetstoragetypes--;
    }
    if (copy.n_targetstorageids) {
        copy.storageid = *copy.targetstorageids++;
        copy.n_targetstorageids--;
    }
    if (copy.n_targetpinnings) {
        copy.has_pinning = 1;
        copy.pinning = *copy.targetpinnings++;
        copy.n_targetpinnings--;
    }
    xfer_op_put(out, XFER_WRITE_BLOCK, &copy.base);
}

static void close_mirror(struct receiver *r)
{
    if (r->mirror_fd >= 0) close(r->mirror_fd);
    r->mirror_fd = -1;
}

static int connect_mirror(struct receiver *r, struct err *err)
{
    const Pb__DatanodeID *id = r->op->targets[0]->id;
    const struct dn_settings *settings = &r->ctx->dn->settings;
    int extra = (int)MIN(r->op->n_targets, (size_t)XFER_PIPELINE_MAX);
    struct net_addr addr = {.port = (uint16_t)id->xferport};
    struct buf request = {0};

    snprintf(addr.host, sizeof addr.host, "%s", settings->use_hostname ? id->hostname : id->ipaddr);
    r->mirror_timeout_ms = settings->socket_timeout_ms + XFER_MIRROR_READ_EXTRA_MS * extra;
    r->mirror_write_ms = settings->write_timeout_ms + XFER_MIRROR_WRITE_EXTRA_MS * extra;
    int rc = net_connect(&addr, deadline_in(r->mirror_timeout_ms), &r->mirror_fd, err);
    if (rc) {
        r->mirror_fd = -1;
        return rc;
    }
    net_set_keepalive(r->mirror_fd);
    xfer_in_init(&r->mirror_in, r->mirror_fd, r->mirror_timeout_ms);
    mirror_request(r, &request);
    rc = xfer_write(r->mirror_fd, request.data, request.length, 0, r->mirror_write_ms, err);
    buf_release(&request);
    return rc;
}

/* Connects and, for clients, takes the mirror's answer. What goes wrong is told upstream as the
 * first bad link; a copy between datanodes goes on without the mirror. */
static int set_up_mirror(struct receiver *r, struct buf *answer, bool *good, struct err *err)
{
    const Pb__DatanodeID *id;
    Pb__BlockOpResponse *response = NULL;

    *good = true;
    if (!r->op->n_targets) {
        xfer_response_put_status(answer, PB__STATUS__SUCCESS, "", NULL);
        return 0;
    }
    id = r->op->targets[0]->id;
    snprintf(r->mirror, sizeof r->mirror, "%s:%u", id->ipaddr, id->xferport);
    /* Only the last one: another one's time is also that of those behind it. */
    if (r->op->n_targets == 1 && r->ctx->dn->peer_latency)
        snprintf(r->mirror_http, sizeof r->mirror_http, "%s:%u", id->ipaddr, id->infoport);
    int rc = connect_mirror(r, err);
    if (!rc && r->is_client) rc = xfer_response_read(&r->mirror_in, &r->ctx->arena, &response, err);
    if (rc) {
        log_warn("Exception transferring blk_%" PRId64 " to mirror %s: %s", r->block.id, r->mirror,
                 err->text);
        close_mirror(r);
        if (!r->is_client) return 0;
        xfer_response_put_status(answer, PB__STATUS__ERROR, r->mirror, NULL);
        *good = false;
        return 0;
    }
    if (!r->is_client) return 0;
    *good = response->status == PB__STATUS__SUCCESS;
    xfer_response_put_status(answer, response->status,
                             response->firstbadlink ? response->firstbadlink : "", NULL);
    return 0;
}

static int set_up_pipeline(struct receiver *r, bool *good, struct err *err)
{
    struct buf answer = {0};

    int rc = set_up_mirror(r, &answer, good, err);
    if (!rc && has_acks(r))
        rc = xfer_write(r->ctx->fd, answer.data, answer.length, 0,
                        r->ctx->dn->settings.write_timeout_ms, err);
    buf_release(&answer);
    return rc;
}

/* ---- the mirror while packets flow ---- */

static int mirror_lost(struct receiver *r, const struct err *why, struct err *err)
{
    log_info("blk_%" PRId64 ": mirror %s: %s", r->block.id, r->mirror, why->text);
    close_mirror(r);
    return has_acks(r) ? ack_relay_break(&r->acks, err) : 0;
}

static int take_mirror_ack(struct receiver *r, struct err *err)
{
    struct err why = ERR_INIT;

    do {
        if (xfer_ack_read(&r->mirror_in, &r->acks.ack, &why)) return mirror_lost(r, &why, err);
        int rc = ack_relay_take(&r->acks, err);
        if (rc) return rc;
        if (r->acks.broken) {
            close_mirror(r);
            return 0;
        }
    } while (xfer_in_buffered(&r->mirror_in));
    return 0;
}

/* No room towards the mirror: waits for some, relaying acks meanwhile. 1: there is room. */
static int wait_for_mirror(struct receiver *r, int64_t deadline, struct err *why, struct err *err)
{
    struct pollfd fds[2] = {{.fd = r->mirror_fd, .events = POLLOUT | (has_acks(r) ? POLLIN : 0)},
                            {.fd = r->ctx->fd, .events = 0}};
    int64_t left = deadline_left_ms(deadline);

    /* A mirror that hangs must be named before the writer, who waits a little longer, blames this
     * node. */
    int rc = ack_relay_flush(&r->acks, err);
    if (rc) return rc;
    if (r->acks.count) left = MIN(left, r->mirror_timeout_ms - ack_relay_age_ms(&r->acks));
    int n = poll(fds, 2, (int)MAX(left, (int64_t)0));
    if (n < 0 && errno == EINTR) return 0;
    if (n == 0) return err_set(why, ERR_TIMEOUT, "timed out writing to the mirror");
    if (fds[1].revents)
        return err_set(err, ERR_CONNECTION_LOST, "upstream closed, or the writer was stopped");
    if (has_acks(r) && fds[0].revents & POLLIN) {
        rc = take_mirror_ack(r, err);
        if (rc || r->mirror_fd < 0) return rc;
    }
    return fds[0].revents & (POLLOUT | POLLERR | POLLHUP) ? 1 : 0;
}

static int forward(struct receiver *r, const uint8_t *at, size_t size, struct err *err)
{
    int64_t deadline = deadline_in(r->mirror_write_ms);

    while (size && r->mirror_fd >= 0) {
        struct err why = ERR_INIT;
        ssize_t n = send(r->mirror_fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            at += n;
            size -= (size_t)n;
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            err_set_errno(&why, errno, "write");
            return mirror_lost(r, &why, err);
        }
        int rc = wait_for_mirror(r, deadline, &why, err);
        if (rc < 0) return why.code ? mirror_lost(r, &why, err) : rc;
    }
    return 0;
}

/* ---- one packet ---- */

static uint8_t *payload(const struct receiver *r)
{
    return r->buffer.data + XFER_PACKET_HEADER_MAX;
}

static int read_packet(struct receiver *r, struct err *err)
{
    struct xfer_packet_header *p = &r->packet;

    int rc = xfer_packet_read_header(r->in, p, err);
    if (rc) return rc;
    if (p->seqno != XFER_SEQNO_HEARTBEAT && p->offset > r->write.file.on_disk)
        return err_set(err, ERR_IO,
                       "Received an out-of-sequence packet for blk_%" PRId64
                       "from %s at offset %" PRId64 ". Expecting packet starting at %" PRId64,
                       r->block.id, r->ctx->peer, p->offset, r->write.file.on_disk);
    if (p->offset > INT64_MAX - XFER_PACKET_MAX ||
        (p->seqno == XFER_SEQNO_HEARTBEAT && p->data_length))
        return err_set(err, ERR_BAD_MESSAGE, "impossible packet");
    if (p->checksum_length || !p->data_length) {
        rc = xfer_packet_check(p, r->sum.bytes_per_checksum, (uint32_t)checksum_size(&r->sum), err);
        if (rc) return rc;
    }
    size_t size = (size_t)p->checksum_length + p->data_length;
    if (!pool_grow(r->ctx->buffers, XFER_PACKET_HEADER_MAX + size, XFER_BUFFER_WAIT_MS, &r->buffer))
        return err_set(err, ERR_NO_MEMORY, "no buffer for a packet of %zu bytes came free in time",
                       size);
    return xfer_in_read(r->in, payload(r), size, err);
}

static bool packet_is_sound(const struct receiver *r)
{
    const struct xfer_packet_header *p = &r->packet;

    if (!p->checksum_length) return true;
    return checksum_verify(&r->sum, payload(r) + p->checksum_length, p->data_length, payload(r)) <
           0;
}

/* Lets the peer read what we said before the connection goes: a close with unread bytes would drop
 * it. */
static void linger(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    int64_t deadline = deadline_in(LINGER_MS);
    char waste[4096];

    shutdown(fd, SHUT_WR);
    while (deadline_left_ms(deadline) > 0 && poll(&pfd, 1, deadline_left_ms(deadline)) > 0)
        if (recv(fd, waste, sizeof waste, MSG_DONTWAIT) <= 0) return;
}

static int refuse_packet(struct receiver *r, struct err *err)
{
    struct err ignored = ERR_INIT;

    log_warn("Checksum error in block blk_%" PRId64 " from %s at offset %" PRId64, r->block.id,
             r->ctx->peer, r->packet.offset);
    if (has_acks(r)) {
        if (!ack_relay_fail(&r->acks, r->packet.seqno, PB__STATUS__ERROR_CHECKSUM, &ignored))
            linger(r->ctx->fd);
    } else if (r->op && r->op->source && !r->is_client) {
        nn_report_remote_bad_block(r->pool, r->op->source, r->block.id, r->block.gs);
    }
    return err_set(err, ERR_CHECKSUM,
                   "Unexpected checksum mismatch while writing blk_%" PRId64 " from %s",
                   r->block.id, r->ctx->peer);
}

static int forward_packet(struct receiver *r, struct err *err)
{
    const struct xfer_packet_header *p = &r->packet;
    uint8_t header[XFER_PACKET_HEADER_MAX];

    if (r->mirror_fd < 0) return 0;
    size_t size = xfer_packet_header_encode(p, header);
    uint8_t *start = payload(r) - size;
    memcpy(start, header, size);
    int64_t before_ns = r->mirror_http[0] ? clock_mono_ns() : 0;
    int rc = forward(r, start, size + p->checksum_length + p->data_length, err);
    if (before_ns && !rc)
        latencies_add(r->ctx->dn->peer_latency, r->mirror_http,
                      (double)(clock_mono_ns() - before_ns) / 1e6, clock_mono_ms());
    return rc;
}

static int finish_client(struct receiver *r, struct err *err)
{
    struct volume *volume = write_volume(&r->write);
    bool sync = r->packet.sync || r->ctx->dn->settings.sync_on_close;

    int rc = write_finalize(&r->write, sync, &r->length, err);
    if (rc) return rc;
    /* The namenode hears of it before the client is told: then its complete() finds the block
     * there. */
    nn_report_received(r->pool->report, volume, r->block.id, r->block.gs, r->length, NULL,
                       RECEIVED_WAIT_MS);
    return 0;
}

/* Some of the writes are timed. */
static int write_timed(struct receiver *r, const uint8_t *data, const uint8_t *crcs,
                       struct err *err)
{
    const struct xfer_packet_header *p = &r->packet;
    struct datanode *dn = r->ctx->dn;
    bool sampled = dn->disk_latency && r->packets++ % 100 < dn->settings.disk_sampling;

    int64_t before_ns = sampled ? clock_mono_ns() : 0;
    int rc = write_data(&r->write, p->offset, data, p->data_length, crcs, err);
    if (sampled && !rc)
        latencies_add(dn->disk_latency, write_volume(&r->write)->dir,
                      (double)(clock_mono_ns() - before_ns) / 1e6, clock_mono_ms());
    return rc;
}

/* A sync at the end then finds little to do. */
static void write_behind(struct receiver *r, int64_t end)
{
    if (!r->ctx->dn->settings.write_behind || end - r->behind < WRITE_BEHIND_SIZE) return;
    block_file_write_behind(&r->write.file, r->behind, end);
    r->behind = end;
}

static int store_packet(struct receiver *r, struct err *err)
{
    const struct xfer_packet_header *p = &r->packet;
    int rc = 0;

    if (p->data_length) {
        const uint8_t *crcs = r->same_sum && p->checksum_length ? payload(r) : NULL;
        rc = write_timed(r, payload(r) + p->checksum_length, crcs, err);
        if (!rc) write_behind(r, p->offset + p->data_length);
        atomic_fetch_add(&r->ctx->dn->bytes_written, p->data_length);
    }
    if (!rc && p->sync && !p->last) rc = write_sync(&r->write, err);
    if (rc || !p->last) return rc;
    r->finished = true;
    return has_acks(r) ? finish_client(r, err) : 0;
}

static int take_packet(struct receiver *r, struct err *err)
{
    const struct xfer_packet_header *p = &r->packet;

    int rc = read_packet(r, err);
    if (rc) return rc;
    if (!packet_is_sound(r)) return refuse_packet(r, err);
    throttle_pass(r->throttle, (uint64_t)p->data_length + p->checksum_length);
    rc = forward_packet(r, err);
    if (!rc && p->seqno != XFER_SEQNO_HEARTBEAT) rc = store_packet(r, err);
    if (!rc && has_acks(r))
        rc = ack_relay_add(&r->acks, p->seqno, p->offset + p->data_length, p->last,
                           p->data_length >= BULK_SIZE && !p->sync, err);
    return rc;
}

/* ---- the flow ---- */

static int show_progress(struct receiver *r, struct err *err)
{
    if (!r->next_progress_ms || clock_mono_ms() < r->next_progress_ms) return 0;
    r->next_progress_ms = clock_mono_ms() + PROGRESS_MS;
    return xfer_answer(r->ctx, PB__STATUS__IN_PROGRESS, NULL, err);
}

/* Waits for a packet or an ack. *up: upstream has something. */
static int wait_for_neighbours(struct receiver *r, int64_t heard_ms, bool *up, struct err *err)
{
    struct pollfd fds[2] = {
        {.fd = r->in->fd, .events = r->finished || ack_relay_full(&r->acks) ? 0 : POLLIN},
        {.fd = r->mirror_fd, .events = POLLIN}};
    int64_t left = heard_ms + r->ctx->dn->settings.socket_timeout_ms - clock_mono_ms();
    struct err why = ERR_INIT;

    if (r->acks.count) left = MIN(left, r->mirror_timeout_ms - ack_relay_age_ms(&r->acks));
    int n = poll(fds, r->mirror_fd < 0 ? 1 : 2, r->acks.held ? 0 : (int)MAX(left, (int64_t)0));
    if (n < 0 && errno != EINTR) return err_set_errno(err, errno, "poll");
    if (n == 0 && r->acks.held) return ack_relay_flush(&r->acks, err);
    if (n == 0) {
        if (r->acks.count && ack_relay_age_ms(&r->acks) >= r->mirror_timeout_ms) {
            err_set(&why, ERR_TIMEOUT, "no ack in %d ms", r->mirror_timeout_ms);
            return mirror_lost(r, &why, err);
        }
        return err_set(err, ERR_TIMEOUT, "no packet in %d ms",
                       r->ctx->dn->settings.socket_timeout_ms);
    }
    *up = n > 0 && fds[0].revents;
    if (n > 0 && r->mirror_fd >= 0 && fds[1].revents) return take_mirror_ack(r, err);
    return 0;
}

static int flow_with_acks(struct receiver *r, struct err *err)
{
    int64_t heard = clock_mono_ms();
    int rc = 0;

    while (!rc && !r->acks.last_acked) {
        if (atomic_load(&r->ctx->dn->restarting))
            return err_set(err, ERR_CONNECTION_LOST, "the datanode restarts");
        bool up = !r->finished && xfer_in_buffered(r->in) && !ack_relay_full(&r->acks);
        if (!up) rc = wait_for_neighbours(r, heard, &up, err);
        if (rc || !up) continue;
        if (r->finished) return err_set(err, ERR_EOF, "upstream left before the last ack");
        rc = take_packet(r, err);
        heard = clock_mono_ms();
        if (!rc && r->finished && r->acks.broken) return 0; /* said all that there is to say */
    }
    return rc;
}

static int flow(struct receiver *r, struct err *err)
{
    int rc = 0;

    if (has_acks(r)) return flow_with_acks(r, err);
    while (!rc && !r->finished) {
        rc = take_packet(r, err);
        if (!rc) rc = show_progress(r, err);
    }
    return rc;
}

/* A copy has arrived whole. */
static int finish_copy(struct receiver *r, struct err *err)
{
    struct volume *volume = write_volume(&r->write);
    int rc;

    if (r->op->stage == PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__TRANSFER_RBW &&
        r->is_transfer) {
        r->length = r->write.file.on_disk;
        rc = write_convert(&r->write, r->length, err);
    } else {
        rc = write_finalize(&r->write, r->ctx->dn->settings.sync_on_close, &r->length, err);
    }
    if (rc) return rc;
    if (!r->is_client)
        nn_report_received(r->pool->report, volume, r->block.id, r->block.gs, r->length, NULL, 0);
    return r->is_transfer ? xfer_answer(r->ctx, PB__STATUS__SUCCESS, NULL, err) : 0;
}

static int flush_acks(void *receiver, struct err *err)
{
    return ack_relay_flush(&((struct receiver *)receiver)->acks, err);
}

/* Nobody shall wait for an ack that is held here while we wait for bytes. */
static int flow_holding_acks(struct receiver *r, struct err *err)
{
    r->in->before_wait = r->mirror_in.before_wait = flush_acks;
    r->in->context = r->mirror_in.context = r;
    int rc = flow(r, err);
    r->in->before_wait = NULL;
    return rc;
}

/* The datanode is stopped to be back soon: the replica waits for its writer, who is told so. */
static void announce_restart(struct receiver *r)
{
    struct err err = ERR_INIT;
    int rc = write_expect_restart(&r->write,
                                  clock_wall_ms() + r->ctx->dn->settings.restart_expiry_ms, &err);

    if (!rc) rc = ack_relay_fail(&r->acks, XFER_SEQNO_OOB, PB__STATUS__OOB_RESTART, &err);
    if (rc)
        log_warn("blk_%" PRId64 ": the writer is not told of the restart: %s", r->block.id,
                 err.text);
    else
        linger(r->ctx->fd);
    log_info("Shutting down for restart (blk_%" PRId64 "_%" PRIu64 ").", r->block.id, r->block.gs);
}

static int receive(struct receiver *r, struct err *err)
{
    bool good;

    int rc = set_up_replica(r, err);
    if (rc) return rc;
    rc = set_up_pipeline(r, &good, err);
    if (rc) return rc;
    if (!good) {
        linger(r->ctx->fd);
        return err_set(err, ERR_CONNECT, "the pipeline behind this datanode could not be set up");
    }
    ack_relay_init(&r->acks, r->ctx->fd, r->ctx->dn->settings.write_timeout_ms, r->mirror_fd >= 0,
                   &r->pool->ack_marks, &r->write);
    rc = flow_holding_acks(r, err);
    if (rc && has_acks(r) && atomic_load(&r->ctx->dn->restarting)) announce_restart(r);
    if (!rc && !has_acks(r)) rc = finish_copy(r, err);
    ack_relay_release(&r->acks);
    return rc;
}

/* The first datanode's upstream is the writer itself. One that hangs, or cannot be reached, does not
 * close: it may come back. */
static void report_writer_gone(const struct receiver *r, int rc)
{
    if (rc != ERR_EOF && rc != ERR_CONNECTION_LOST) return;
    if (!has_acks(r) || r->finished || r->op->n_targets + 1 < r->op->pipelinesize) return;
    if (!r->write.open || atomic_load(&r->ctx->dn->restarting)) return;
    nn_report_writer_gone(r->pool->report, write_volume(&r->write), r->block.id, r->block.gs);
}

/* PIPELINE_CLOSE_RECOVERY: no data follows. */
static int recover_close(struct receiver *r, struct err *err)
{
    uint64_t gs = r->op->latestgenerationstamp;
    int64_t length = (int64_t)r->op->minbytesrcvd;
    struct volume *volume;
    bool good;

    int rc = dataset_recover_close(r->pool, &r->block, gs, length, &volume, err);
    if (!rc) rc = set_up_pipeline(r, &good, err);
    if (!rc)
        nn_report_received(r->pool->report, volume, r->block.id, gs, length, NULL,
                           RECEIVED_WAIT_MS);
    return rc;
}

static int prepare(struct receiver *r, struct err *err)
{
    const Pb__OpWriteBlock *op = r->op;

    r->pool = xfer_pool(r->ctx, op->header->baseheader->block, &r->block, err);
    if (!r->pool) return err->code;
    r->is_client = *op->header->clientname != '\0';
    r->is_transfer = op->stage == PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__TRANSFER_RBW ||
                     op->stage == PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__TRANSFER_FINALIZED;
    if (r->is_transfer && op->n_targets)
        return err_set(err, ERR_IO, "a transfer does not support multiple targets");
    if (op->n_targets >= XFER_PIPELINE_MAX)
        return err_set(err, ERR_LIMIT, "%zu targets", op->n_targets);
    return checksum_init(&r->sum, (int)op->requestedchecksum->type,
                         (int32_t)op->requestedchecksum->bytesperchecksum, err);
}

void recv_block_op(struct xfer_context *ctx, const Pb__OpWriteBlock *op)
{
    struct receiver *r = NEW(struct receiver); /* with its buffers too large for the stack */
    struct err err = ERR_INIT;

    r->ctx = ctx;
    r->throttle = &ctx->dn->write_throttle;
    r->in = &ctx->in;
    r->op = op;
    r->mirror_fd = -1;
    r->write.file = (struct block_file)BLOCK_FILE_INIT;
    int rc = prepare(r, &err);
    log_debug("Receiving blk_%" PRId64 "_%" PRIu64 " src: %s stage %d", r->block.id, r->block.gs,
              ctx->peer, (int)op->stage);
    if (!rc && r->is_client &&
        op->stage == PB__OP_WRITE_BLOCK__BLOCK_CONSTRUCTION_STAGE__PIPELINE_CLOSE_RECOVERY)
        rc = recover_close(r, &err);
    else if (!rc)
        rc = receive(r, &err);
    if (rc)
        log_info("opWriteBlock blk_%" PRId64 "_%" PRIu64 " from %s received exception %s",
                 r->block.id, r->block.gs, ctx->peer, err.text);
    else
        atomic_fetch_add(&ctx->dn->blocks_written, 1);
    report_writer_gone(r, rc);
    write_leave(&r->write);
    close_mirror(r);
    pool_put(ctx->buffers, &r->buffer);
    mem_free(r);
}

int recv_block_copy(struct xfer_context *ctx, struct xfer_in *in, struct replica_write *write,
                    const struct checksum *sum, struct throttle *throttle, int64_t *length,
                    struct err *err)
{
    struct receiver *r = NEW(struct receiver);
    const struct checksum *file = &write->file.sum;

    r->ctx = ctx;
    r->in = in;
    r->mirror_fd = -1;
    r->pool = write->pool;
    r->block.id = write->open->id;
    r->block.gs = write->open->gs;
    r->sum = *sum;
    r->same_sum = file->type == sum->type && file->bytes_per_checksum == sum->bytes_per_checksum;
    r->throttle = throttle;
    r->next_progress_ms = clock_mono_ms() + PROGRESS_MS;
    r->write = *write;
    int rc = flow(r, err);
    if (!rc) rc = write_finalize(&r->write, ctx->dn->settings.sync_on_close, length, err);
    write_leave(&r->write);
    write->open = NULL;
    pool_put(ctx->buffers, &r->buffer);
    mem_free(r);
    return rc;
}
