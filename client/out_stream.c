/*
 * Packets of a file that is being written. The writing thread does everything: it fills a packet,
 * hands it to the socket as far as that takes it, and reads acknowledgements when it needs room or
 * has to wait. A packet goes
 *
 *   packet (being filled) ──queue()──▶ unsent ──send_some()──▶ unacked ──acknowledge()──▶ spare
 *                                        ▲                        │
 *                                        └──────── recover() ─────┘
 *
 * After a flush in the middle of a chunk, the chunk's bytes begin the next packet again (`kept`):
 * the datanodes replace the CRC of the unfinished chunk by that of the longer one. Answers to
 * DFSOutputStream and the rest of DataStreamer.
 */
#include "client/out_stream.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "client/fs_state.h"
#include "client/lease_keep.h"
#include "client/located.h"
#include "client/out_stream_state.h"
#include "client/congestion.h"
#include "client/packet.h"
#include "client/pipeline.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/rand.h"
#include "common/xfer_packet.h"

enum {
    ACKS_LAZY = 16,      /* unacknowledged packets from which on acks are looked for without need */
    ACK_READ = 8 * 1024, /* bytes of acks read at once */
    ACK_MAX = 64 * 1024, /* longest ack believed */
    RETRY_START_FILE = 10, /* create: RetryStartFileException */
    APPEND_RETRIES = 10,   /* append: RetriableException, for 5 s */
    APPEND_PAUSE_MS = 500,
    COMPLETE_FIRST_MS = 5, /* asking again is cheap, and the datanode's report is on its way */
};

struct out_stream {
    struct fs *fs;
    char *path;
    bool sync_block;
    uint32_t data_max; /* of a full packet */

    pthread_mutex_t lock; /* guards what follows */
    struct err failure;   /* code not 0: the stream is broken, and why */
    struct pipeline pipeline;

    uint64_t finished;     /* bytes of the file before the present block */
    uint64_t position;     /* bytes of the present block, with those in `packet` */
    struct packet *packet; /* being filled, or NULL */
    uint32_t limit;        /* of its data */
    uint32_t kept;         /* its first bytes were flushed before */
    int64_t next_seqno;

    struct packet_list unsent, unacked, spare;
    unsigned queued; /* packets in unsent and unacked */
    unsigned unacked_count;
    struct buf acks; /* received, not yet decoded */
    struct congestion congestion;
    struct rand rand;
    bool suspect;              /* the idle pipeline broke: recover at the next call */
    int64_t sent_ms, heard_ms; /* monotonic: when the pipeline last moved */
};

/* ---- packets ---- */

static struct packet *take_packet(struct out_stream *stream, uint64_t offset)
{
    struct packet *packet = TAILQ_FIRST(&stream->spare);

    if (packet)
        TAILQ_REMOVE(&stream->spare, packet, entry);
    else
        packet = packet_new(stream->data_max, &stream->pipeline.sum);
    packet_reset(packet, stream->next_seqno++, offset);
    return packet;
}

static void spare_packet(struct out_stream *stream, struct packet *packet)
{
    TAILQ_INSERT_HEAD(&stream->spare, packet, entry);
}

static void free_packets(struct packet_list *list)
{
    struct packet *packet;

    while ((packet = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, packet, entry);
        packet_free(packet);
    }
}

static void queue(struct out_stream *stream, struct packet *packet)
{
    packet_seal(packet, &stream->pipeline.sum);
    TAILQ_INSERT_TAIL(&stream->unsent, packet, entry);
    stream->queued++;
}

static void begin_packet(struct out_stream *stream)
{
    stream->packet = take_packet(stream, stream->position);
    stream->limit = packet_limit(stream->position, stream->pipeline.block_size,
                                 stream->pipeline.sum.bytes_per_checksum, stream->data_max);
    stream->kept = 0;
}

static void queue_packet(struct out_stream *stream)
{
    queue(stream, stream->packet);
    stream->packet = NULL;
    stream->kept = 0;
}

/* Nothing new in it: its bytes are in a packet that was sent. */
static void discard_packet(struct out_stream *stream)
{
    if (!stream->packet) return;
    if (stream->packet->seqno == stream->next_seqno - 1) stream->next_seqno--;
    spare_packet(stream, stream->packet);
    stream->packet = NULL;
    stream->kept = 0;
}

/* ---- sending ---- */

/* The next packet that may go now; NULL when there is none. The last one waits until all data is
 * acknowledged, so that a datanode never finishes a block that another one still lacks bytes of. */
static struct packet *next_to_send(struct out_stream *stream)
{
    struct packet *packet = TAILQ_FIRST(&stream->unsent);

    if (packet && packet->last && !packet->sent && !TAILQ_EMPTY(&stream->unacked)) return NULL;
    return packet;
}

static void sent(struct out_stream *stream, struct packet *packet)
{
    TAILQ_REMOVE(&stream->unsent, packet, entry);
    if (packet->seqno == XFER_SEQNO_HEARTBEAT) {
        stream->queued--;
        spare_packet(stream, packet);
        return;
    }
    TAILQ_INSERT_TAIL(&stream->unacked, packet, entry);
    if (!stream->unacked_count++) stream->heard_ms = clock_mono_ms();
}

/* Has a congested datanode asked for a pause? */
static bool holds_back(struct out_stream *stream)
{
    const struct fs_settings *settings = &stream->fs->settings;
    struct congestion *c = &stream->congestion;

    if (!c->told && !c->until_ms) return false;
    int64_t now = clock_mono_ms(), before = c->until_ms;
    if (!congestion_holds(c, now, settings->backoff_mean_ms, settings->backoff_max_ms,
                          rand_double(&stream->rand)))
        return false;
    if (c->until_ms != before)
        log_info("Datanodes that take %s are congested. Backing off for %" PRId64 " ms",
                 stream->path, c->last_ms);
    stream->sent_ms = now; /* it is not the pipeline that rests */
    return true;
}

/* Sends what the socket takes without waiting. */
static int send_some(struct out_stream *stream, struct err *err)
{
    struct pipeline *pipeline = &stream->pipeline;
    struct packet *packet;

    if (next_to_send(stream) && holds_back(stream)) return 0;
    while ((packet = next_to_send(stream))) {
        struct iovec parts[2];
        struct msghdr message = {.msg_iov = parts};

        if (packet->last) pipeline->stage = PIPELINE_CLOSING;
        pipeline->bytes_sent = MAX(pipeline->bytes_sent, packet_end(packet));
        message.msg_iovlen = (size_t)packet_parts(packet, parts);
        ssize_t n = sendmsg(pipeline->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
        if (n < 0) return err_set_errno(err, errno, "write to the pipeline of %s", stream->path);
        stream->sent_ms = clock_mono_ms();
        if (packet_advance(packet, (size_t)n)) sent(stream, packet);
    }
    return 0;
}

static void queue_heartbeat(struct out_stream *stream)
{
    struct packet *packet = take_packet(stream, 0);

    stream->next_seqno--;
    packet->seqno = XFER_SEQNO_HEARTBEAT;
    queue(stream, packet);
}

/* Hadoop's clients send one after half of the socket timeout. */
static void heartbeat_if_idle(struct out_stream *stream)
{
    int64_t half = stream->fs->settings.socket_timeout_ms / 2;

    if (half > 0 && TAILQ_EMPTY(&stream->unsent) && clock_mono_ms() - stream->sent_ms >= half)
        queue_heartbeat(stream);
}

/* ---- acknowledgements ---- */

/* All datanodes have the packet. */
static int acknowledge(struct out_stream *stream, int64_t seqno, struct err *err)
{
    struct pipeline *pipeline = &stream->pipeline;
    struct packet *packet = TAILQ_FIRST(&stream->unacked);

    if (!packet || packet->seqno != seqno)
        return err_set(err, ERR_BAD_MESSAGE,
                       "Expecting seqno %" PRId64 " for a block of %s but received %" PRId64,
                       packet ? packet->seqno : -1, stream->path, seqno);
    TAILQ_REMOVE(&stream->unacked, packet, entry);
    stream->unacked_count--;
    stream->queued--;
    pipeline->block.numbytes = MAX(pipeline->block.numbytes, packet_end(packet));
    pipeline->recoveries = 0;
    if (packet->last) pipeline_end_block(pipeline);
    spare_packet(stream, packet);
    return 0;
}

/* Counts what datanodes say of their own state. One that is slow for long is to be replaced, unless
 * it is the only one. */
static int take_marks(struct out_stream *stream, const struct xfer_ack *ack, struct err *err)
{
    struct pipeline *pipeline = &stream->pipeline;
    uint32_t count = MIN(ack->count, pipeline->count);
    bool congested = false;

    for (uint32_t i = 0; i < count; i++) {
        struct pipeline_node *node = &pipeline->nodes[i];
        congested |= xfer_ack_congested(ack, i);
        node->slow_acks = xfer_ack_slow(ack, i) ? node->slow_acks + 1 : 0;
        if (node->slow_acks < stream->fs->settings.slow_acks_max || count == 1) continue;
        pipeline->bad = (int)i;
        return err_set(err, ERR_REMOTE,
                       "Receive reply from slowNode %s:%u for continuous %u times, treating it as "
                       "badNode",
                       node->info->id->ipaddr, node->info->id->xferport, node->slow_acks);
    }
    congestion_heard(&stream->congestion, congested);
    return 0;
}

static int take_ack(struct out_stream *stream, const struct xfer_ack *ack, struct err *err)
{
    struct pipeline *pipeline = &stream->pipeline;

    stream->heard_ms = clock_mono_ms();
    for (uint32_t i = MIN(ack->count, pipeline->count); i-- > 0;) {
        Pb__Status status = xfer_ack_status(ack, i);
        if (status == PB__STATUS__SUCCESS) continue;
        const Pb__DatanodeID *id = pipeline->nodes[i].info->id;
        pipeline->bad = (int)i;
        if (status == PB__STATUS__OOB_RESTART) {
            pipeline_note_restart(pipeline, i);
            return err_set(err, ERR_REMOTE, "Datanode %u is restarting: %s:%u", i, id->ipaddr,
                           id->xferport);
        }
        return err_set(err, ERR_REMOTE, "Bad response %d for a block of %s from datanode %s:%u",
                       (int)status, stream->path, id->ipaddr, id->xferport);
    }
    int rc = take_marks(stream, ack, err);
    if (rc || ack->seqno == XFER_SEQNO_HEARTBEAT) return rc;
    return acknowledge(stream, ack->seqno, err);
}

/* Decodes what is whole in stream->acks. */
static int take_acks(struct out_stream *stream, struct err *err)
{
    struct cursor cursor = cursor_of(stream->acks.data, stream->acks.length);
    struct xfer_ack ack;
    size_t used = 0;
    int rc = 0;

    while (!rc && stream->pipeline.fd >= 0) {
        uint64_t length = cursor_varint(&cursor);
        if (!cursor_ok(&cursor)) {
            if (stream->acks.length - used > 10) /* no length is that long */
                rc = err_set(err, ERR_BAD_MESSAGE, "undecodable acknowledgement");
            break;
        }
        if (length > ACK_MAX) {
            rc = err_set(err, ERR_BAD_MESSAGE, "acknowledgement of %" PRIu64 " bytes", length);
            break;
        }
        const uint8_t *bytes = cursor_bytes(&cursor, (size_t)length);
        if (!bytes) break;
        used = stream->acks.length - cursor_left(&cursor);
        rc = xfer_ack_decode(bytes, (size_t)length, &ack, err);
        if (!rc) rc = take_ack(stream, &ack, err);
    }
    buf_consume(&stream->acks, used);
    return rc;
}

/* Reads what has arrived without waiting. */
static int receive_acks(struct out_stream *stream, struct err *err)
{
    while (stream->pipeline.fd >= 0) {
        uint8_t *to = buf_extend(&stream->acks, ACK_READ);
        ssize_t n = recv(stream->pipeline.fd, to, ACK_READ, MSG_DONTWAIT);
        int error = errno;
        stream->acks.length -= ACK_READ - (n > 0 ? (size_t)n : 0);
        if (n < 0 && error == EINTR) continue;
        if (n < 0 && (error == EAGAIN || error == EWOULDBLOCK)) return 0;
        if (n < 0)
            return err_set_errno(err, error, "read acknowledgements for a block of %s",
                                 stream->path);
        if (n == 0)
            return err_set(err, ERR_EOF, "the pipeline of %s closed unexpectedly", stream->path);
        int rc = take_acks(stream, err);
        if (rc || n < ACK_READ) return rc;
    }
    return 0;
}

/* Bytes read behind the answer to WRITE_BLOCK are acks already. */
static int take_early_acks(struct out_stream *stream, struct err *err)
{
    struct xfer_in *in = &stream->pipeline.in;
    size_t size = xfer_in_buffered(in);

    buf_clear(&stream->acks);
    if (!size) return 0;
    int rc = xfer_in_read(in, buf_extend(&stream->acks, size), size, err);
    return rc ? rc : take_acks(stream, err);
}

/* ---- errors ---- */

static int broken(struct out_stream *stream, int rc, const struct err *why)
{
    if (!stream->failure.code) {
        stream->failure = *why;
        stream->failure.code = rc;
        log_warn("writing %s failed: %s", stream->path, why->text);
    }
    pipeline_disconnect(&stream->pipeline);
    return rc;
}

/* Unacknowledged packets go back to the head of the queue. */
static void take_back(struct out_stream *stream)
{
    struct packet *packet, *next;

    TAILQ_CONCAT(&stream->unacked, &stream->unsent, entry);
    TAILQ_CONCAT(&stream->unsent, &stream->unacked, entry);
    stream->unacked_count = 0;
    for (packet = TAILQ_FIRST(&stream->unsent); packet; packet = next) {
        next = TAILQ_NEXT(packet, entry);
        packet->sent = 0;
        if (packet->seqno != XFER_SEQNO_HEARTBEAT) continue;
        TAILQ_REMOVE(&stream->unsent, packet, entry);
        stream->queued--;
        spare_packet(stream, packet);
    }
}

/* The block was finished by the recovery: its last packet, the only one left, need not be sent. */
static void finish_recovered(struct out_stream *stream)
{
    struct packet *packet = TAILQ_FIRST(&stream->unsent);

    assert(packet && packet->last && !TAILQ_NEXT(packet, entry));
    TAILQ_REMOVE(&stream->unsent, packet, entry);
    stream->queued--;
    spare_packet(stream, packet);
    pipeline_end_block(&stream->pipeline);
}

static int recover(struct out_stream *stream, const struct err *cause, struct err *err)
{
    struct pipeline *pipeline = &stream->pipeline;
    bool closing = pipeline->stage == PIPELINE_CLOSING;

    take_back(stream);
    buf_clear(&stream->acks);
    int rc = pipeline_recover(pipeline, cause, err);
    if (rc) return rc;
    stream->suspect = false;
    stream->sent_ms = stream->heard_ms = clock_mono_ms();
    if (closing) {
        finish_recovered(stream);
        return 0;
    }
    return take_early_acks(stream, err);
}

/* ---- the loop ---- */

enum wait { WAIT_ROOM, WAIT_ALL };

static bool satisfied(const struct out_stream *stream, enum wait wait)
{
    switch (wait) {
    case WAIT_ROOM: return stream->queued < stream->fs->settings.packets_in_flight_max;
    case WAIT_ALL: return stream->queued == 0;
    }
    return true;
}

/* Waits until the socket can move something. ERR_TIMEOUT when the pipeline is silent for too long.
 */
static int wait_for_socket(struct out_stream *stream, struct err *err)
{
    const struct pipeline *pipeline = &stream->pipeline;
    bool waits_for_ack = !TAILQ_EMPTY(&stream->unacked);
    int limit_ms =
        waits_for_ack ? pipeline_read_timeout_ms(pipeline) : pipeline_write_timeout_ms(pipeline);
    int64_t since = waits_for_ack ? stream->heard_ms : stream->sent_ms;
    int64_t now = clock_mono_ms();
    int half = stream->fs->settings.socket_timeout_ms / 2;
    struct pollfd pfd = {.fd = pipeline->fd, .events = POLLIN};

    if (limit_ms > 0 && now - since >= limit_ms)
        return err_set(err, ERR_TIMEOUT,
                       "%d millis timeout while waiting for the pipeline of %s (%u datanodes)",
                       limit_ms, stream->path, pipeline->count);
    int64_t pause_ms = congestion_left_ms(&stream->congestion, now);
    if (!pause_ms && next_to_send(stream)) pfd.events |= POLLOUT;
    int64_t wait_ms = limit_ms > 0 ? since + limit_ms - now : -1;
    if (pause_ms && (wait_ms < 0 || wait_ms > pause_ms)) wait_ms = pause_ms;
    if (half > 0 && (wait_ms < 0 || wait_ms > half)) wait_ms = half; /* for the heartbeat */
    if (poll(&pfd, 1, (int)wait_ms) < 0 && errno != EINTR) return err_set_errno(err, errno, "poll");
    return 0;
}

/* A datanode that fails tells on the one behind it before it closes: who is to blame stands in acks
 * not read yet. */
static int send_or_learn(struct out_stream *stream, struct err *err)
{
    struct err told = ERR_INIT;
    int rc = send_some(stream, err);

    if (!rc) return 0;
    receive_acks(stream, &told);
    if (stream->pipeline.bad >= 0 || stream->pipeline.restarting >= 0) *err = told;
    return rc;
}

/* One round over a pipeline that is connected. */
static int turn(struct out_stream *stream, enum wait wait, struct err *err)
{
    int rc = send_or_learn(stream, err);

    if (!rc && (!satisfied(stream, wait) || stream->unacked_count >= ACKS_LAZY))
        rc = receive_acks(stream, err);
    if (rc || satisfied(stream, wait)) return rc;
    if (stream->pipeline.fd < 0)
        return 0;                    /* the block is finished; the next packet opens another */
    rc = send_or_learn(stream, err); /* acks may have let the last packet go */
    if (rc || satisfied(stream, wait)) return rc;
    heartbeat_if_idle(stream);
    return wait_for_socket(stream, err);
}

/* Moves packets until there is as much room as wanted; recovers whatever can be. */
static int pump(struct out_stream *stream, enum wait wait, struct err *err)
{
    struct err cause;

    for (;;) {
        struct pipeline *pipeline = &stream->pipeline;
        int rc = 0;

        err_clear(&cause);
        if (stream->suspect) {
            err_set(&cause, ERR_CONNECTION_LOST, "the pipeline broke while it was idle");
            rc = recover(stream, &cause, err);
        } else if (pipeline->stage <= PIPELINE_APPEND) {
            if (!stream->queued) return 0;
            rc = pipeline_open(pipeline, err);
            stream->sent_ms = stream->heard_ms = clock_mono_ms();
            if (!rc) rc = take_early_acks(stream, err);
        }
        if (rc) return broken(stream, rc, err);
        if (pipeline->fd >= 0) {
            rc = turn(stream, wait, &cause);
            if (rc && pipeline->fd >= 0) {
                rc = recover(stream, &cause, err);
                if (rc) return broken(stream, rc, err);
                continue;
            }
        }
        if (satisfied(stream, wait)) return 0;
    }
}

/* ---- blocks ---- */

/* Queues the packet that ends the block and waits until it is finished everywhere. */
static int finish_block(struct out_stream *stream, struct err *err)
{
    if (!stream->position) return 0;
    struct packet *packet = take_packet(stream, stream->position);
    packet->last = true;
    packet->sync = stream->sync_block;
    queue(stream, packet);
    int rc = pump(stream, WAIT_ALL, err);
    if (rc) return rc;
    stream->finished += stream->position;
    stream->position = 0;
    stream->next_seqno = 0; /* each block counts anew, as its pipeline does */
    return 0;
}

/* ---- writing ---- */

static int write_some(struct out_stream *stream, const uint8_t *data, size_t size, size_t *taken,
                      struct err *err)
{
    if (!stream->packet) begin_packet(stream);
    uint32_t n = packet_fill(stream->packet, data, size, stream->limit);
    *taken = n;
    stream->position += n;
    if (stream->packet->length < stream->limit) return 0;
    queue_packet(stream);
    if (stream->position == stream->pipeline.block_size) return finish_block(stream, err);
    return pump(stream, WAIT_ROOM, err);
}

/* Locks; fails at once when the stream is broken. */
static int enter(struct out_stream *stream, struct err *err)
{
    err_clear(err);
    pthread_mutex_lock(&stream->lock);
    if (stream->failure.code) *err = stream->failure;
    return stream->failure.code;
}

int out_stream_write(struct out_stream *stream, const void *data, size_t size, struct err *err)
{
    const uint8_t *at = data;
    int rc = enter(stream, err);

    while (size && !rc) {
        size_t taken;
        rc = write_some(stream, at, size, &taken, err);
        at += taken;
        size -= taken;
    }
    pthread_mutex_unlock(&stream->lock);
    return rc;
}

/* ---- flushing ---- */

/* Sends the packet that is being filled as it is; the bytes of its unfinished chunk begin the next
 * one. */
static void flush_packet(struct out_stream *stream, bool sync)
{
    struct packet *packet = stream->packet;
    uint32_t tail =
        packet_tail(packet->offset, stream->position, stream->pipeline.sum.bytes_per_checksum);

    packet->sync = sync;
    queue_packet(stream);
    if (!tail) return;
    stream->position -= tail;
    begin_packet(stream);
    stream->position += tail;
    packet_fill(stream->packet, packet_data(packet) + packet->length - tail, tail, stream->limit);
    stream->kept = tail;
}

static void flush_nothing_new(struct out_stream *stream, bool sync)
{
    if (!sync || !stream->position) return;
    /* The kept bytes' packet has a number already: the empty one must go before it. */
    struct packet *packet = take_packet(stream, stream->position);
    if (stream->packet) {
        int64_t seqno = stream->packet->seqno;
        stream->packet->seqno = packet->seqno;
        packet->seqno = seqno;
    }
    packet->sync = true;
    queue(stream, packet);
}

static int persist(struct out_stream *stream, bool update_length, struct err *err)
{
    Pb__FsyncRequest request = PB__FSYNC_REQUEST__INIT;
    struct pipeline *pipeline = &stream->pipeline;

    if (!pipeline->persist && !update_length) return 0;
    request.src = stream->path;
    request.client = stream->fs->client_name;
    request.has_lastblocklength = true;
    request.lastblocklength =
        update_length && pipeline->has_block ? (int64_t)pipeline->block.numbytes : -1;
    request.has_fileid = pipeline->file_id != 0;
    request.fileid = pipeline->file_id;
    int rc = fs_do(stream->fs, "fsync", &request, &pb__fsync_response__descriptor, err);
    if (rc) {
        err_wrap(err, rc, "Unable to persist blocks in hflush for %s", stream->path);
        return broken(stream, rc, err);
    }
    pipeline->persist = false;
    return 0;
}

static int flush(struct out_stream *stream, bool sync, unsigned flags, struct err *err)
{
    int rc = enter(stream, err);

    if (rc) goto out;
    if (stream->packet && stream->packet->length > stream->kept)
        flush_packet(stream, sync);
    else
        flush_nothing_new(stream, sync);
    rc = pump(stream, WAIT_ALL, err);
    if (!rc && (flags & OUT_SYNC_END_BLOCK)) {
        discard_packet(stream);
        rc = finish_block(stream, err);
    }
    if (!rc) rc = persist(stream, flags & OUT_SYNC_UPDATE_LENGTH, err);
    if (!rc) stream->pipeline.hflushed = true;
out:
    pthread_mutex_unlock(&stream->lock);
    return rc;
}

int out_stream_hflush(struct out_stream *stream, struct err *err)
{
    return flush(stream, false, 0, err);
}

int out_stream_hsync(struct out_stream *stream, unsigned flags, struct err *err)
{
    return flush(stream, true, flags, err);
}

uint64_t out_stream_tell(struct out_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    uint64_t position = stream->finished + stream->position;
    pthread_mutex_unlock(&stream->lock);
    return position;
}

unsigned out_stream_replicas(struct out_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    unsigned count = stream->pipeline.stage >= PIPELINE_STREAMING ? stream->pipeline.count : 0;
    pthread_mutex_unlock(&stream->lock);
    return count;
}

uint16_t out_stream_replica_port(struct out_stream *stream, unsigned index)
{
    const struct pipeline *pipeline = &stream->pipeline;
    uint16_t port = 0;

    pthread_mutex_lock(&stream->lock);
    if (pipeline->stage >= PIPELINE_STREAMING && index < pipeline->count)
        port = (uint16_t)pipeline->nodes[index].info->id->xferport;
    pthread_mutex_unlock(&stream->lock);
    return port;
}

/* ---- idle streams ---- */

void out_stream_tick(struct out_stream *stream)
{
    struct err err = ERR_INIT;

    if (pthread_mutex_trylock(&stream->lock)) return; /* in use: not idle */
    struct pipeline *pipeline = &stream->pipeline;
    if (!stream->failure.code && !stream->suspect && pipeline->fd >= 0) {
        int rc = receive_acks(stream, &err);
        if (!rc && pipeline->fd >= 0) {
            heartbeat_if_idle(stream);
            rc = send_or_learn(stream, &err);
        }
        if (rc) {
            log_warn("the pipeline of %s broke while it was idle: %s", stream->path, err.text);
            stream->suspect = true;
        }
    }
    pthread_mutex_unlock(&stream->lock);
}

/* ---- life ---- */

static struct out_stream *stream_new(struct fs *fs, const char *path,
                                     const Pb__HdfsFileStatus *status, struct checksum sum)
{
    struct out_stream *stream = NEW(struct out_stream);

    stream->fs = fs;
    stream->path = mem_strdup(path);
    pthread_mutex_init(&stream->lock, NULL);
    TAILQ_INIT(&stream->unsent);
    TAILQ_INIT(&stream->unacked);
    TAILQ_INIT(&stream->spare);
    rand_seed_system(&stream->rand);
    pipeline_init(&stream->pipeline, fs, path);
    stream->pipeline.file_id = status->fileid;
    stream->pipeline.replication = status->block_replication;
    stream->pipeline.block_size = status->blocksize;
    stream->pipeline.sum = sum;
    stream->data_max = xfer_packet_data_max(fs->settings.write_packet_size, sum.bytes_per_checksum,
                                            (uint32_t)checksum_size(&sum));
    return stream;
}

static void stream_free(struct out_stream *stream)
{
    lease_keep_remove(stream->fs->leases, stream);
    pipeline_release(&stream->pipeline);
    packet_free(stream->packet);
    free_packets(&stream->unsent);
    free_packets(&stream->unacked);
    free_packets(&stream->spare);
    buf_release(&stream->acks);
    pthread_mutex_destroy(&stream->lock);
    mem_free(stream->path);
    mem_free(stream);
}

void out_stream_abort(struct out_stream *stream)
{
    if (stream) stream_free(stream);
}

static int complete_once(struct out_stream *stream, bool *done, struct err *err)
{
    Pb__CompleteRequest request = PB__COMPLETE_REQUEST__INIT;
    Pb__CompleteResponse *response;
    struct pipeline *pipeline = &stream->pipeline;
    struct arena arena = {0};

    request.src = stream->path;
    request.clientname = stream->fs->client_name;
    request.last = pipeline->has_block ? &pipeline->block : NULL;
    request.has_fileid = pipeline->file_id != 0;
    request.fileid = pipeline->file_id;
    int rc = fs_call(stream->fs, "complete", &request, &pb__complete_response__descriptor, &arena,
                     &response, err);
    if (!rc) *done = response->result;
    arena_release(&arena);
    return rc;
}

/* The namenode says no until it has heard of the last block's replicas. Java's client first asks
 * again after 400 ms; we begin with milliseconds, and give up no earlier than it does. */
static int complete(struct out_stream *stream, struct err *err)
{
    char name[LOCATED_NAME_MAX] = "(none)";
    int64_t until = clock_mono_ms() + pipeline_patience_ms(stream->fs);
    int64_t pause_max = stream->fs->settings.locate_delay_ms;

    for (int64_t pause = COMPLETE_FIRST_MS;; pause = MIN(pause * 2, pause_max)) {
        bool done = false;
        int rc = complete_once(stream, &done, err);
        if (rc || done) return rc;
        if (clock_mono_ms() >= until) break;
        clock_sleep_ms(pause);
    }
    if (stream->pipeline.has_block) located_block_name(&stream->pipeline.block, name, sizeof name);
    return err_set(err, ERR_IO,
                   "Unable to close file because the last block %s does not have enough number of "
                   "replicas.",
                   name);
}

static int finish_file(struct out_stream *stream, struct err *err)
{
    int rc = enter(stream, err);

    if (!rc && stream->packet && stream->packet->length > stream->kept)
        queue_packet(stream);
    else if (!rc)
        discard_packet(stream);
    if (!rc) rc = finish_block(stream, err);
    pthread_mutex_unlock(&stream->lock);
    return rc ? rc : complete(stream, err);
}

int out_stream_close(struct out_stream *stream, struct err *err)
{
    struct err inner = ERR_INIT;
    bool closed;

    if (!stream) return 0;
    int rc = finish_file(stream, err);
    if (rc && stream->fs->settings.recover_lease_on_close_exception)
        if (fs_recover_lease(stream->fs, stream->path, &closed, &inner))
            log_warn("lease recovery of %s failed: %s", stream->path, inner.text);
    stream_free(stream);
    return rc;
}

/* ---- create ---- */

static uint32_t create_flags(const struct fs_create_options *options)
{
    return PB__CREATE_FLAG__CREATE | (options->overwrite ? PB__CREATE_FLAG__OVERWRITE : 0) |
           (options->lazy_persist ? PB__CREATE_FLAG__LAZY_PERSIST : 0) |
           (options->should_replicate ? PB__CREATE_FLAG__SHOULD_REPLICATE : 0);
}

static int pick_checksum(const struct fs *fs, const struct fs_create_options *options,
                         struct checksum *sum, struct err *err)
{
    enum checksum_type type = (enum checksum_type)fs->settings.checksum_type;
    int64_t bytes =
        options->bytes_per_checksum ? options->bytes_per_checksum : fs->settings.bytes_per_checksum;

    if (options->checksum_type && !checksum_type_parse(options->checksum_type, &type))
        return err_set(err, ERR_ARGUMENT, "unknown checksum type %s", options->checksum_type);
    return checksum_init(sum, (int)type, bytes, err);
}

static int check_block_size(const struct checksum *sum, uint64_t block_size, struct err *err)
{
    if (block_size && block_size <= INT64_MAX && block_size % sum->bytes_per_checksum == 0)
        return 0;
    return err_set(err, ERR_HADOOP_ARGUMENT,
                   "Invalid values: dfs.bytes-per-checksum (=%u) must divide block size (=%" PRIu64
                   ").",
                   sum->bytes_per_checksum, block_size);
}

static int call_create(struct fs *fs, const char *path, const struct fs_create_options *options,
                       struct arena *arena, Pb__HdfsFileStatus **status, struct err *err)
{
    Pb__CreateRequest request = PB__CREATE_REQUEST__INIT;
    Pb__CreateResponse *response;
    Pb__FsPermission masked = PB__FS_PERMISSION__INIT, unmasked = PB__FS_PERMISSION__INIT;
    Pb__CryptoProtocolVersion crypto = PB__CRYPTO_PROTOCOL_VERSION__ENCRYPTION_ZONES;
    int rc;

    unmasked.perm = (options->mode ? options->mode : 0666) & 01777;
    masked.perm = options->exact_mode ? unmasked.perm : unmasked.perm & ~fs->settings.umask;
    request.src = (char *)(uintptr_t)path;
    request.masked = &masked;
    request.unmasked = &unmasked;
    request.clientname = fs->client_name;
    request.createflag = create_flags(options);
    request.createparent = !options->no_parent;
    request.replication = options->replication ? options->replication : fs->settings.replication;
    request.blocksize = options->block_size ? options->block_size : fs->settings.block_size;
    request.n_cryptoprotocolversion = 1;
    request.cryptoprotocolversion = &crypto;
    request.ecpolicyname = (char *)(uintptr_t)options->ec_policy;
    request.storagepolicy = (char *)(uintptr_t)options->storage_policy;
    for (int tries = 0;; tries++) {
        rc = fs_call(fs, "create", &request, &pb__create_response__descriptor, arena, &response,
                     err);
        if (rc != ERR_RETRY_START_FILE || tries >= RETRY_START_FILE) break;
    }
    if (!rc && !response->fs)
        rc = err_set(err, ERR_BAD_MESSAGE, "create of %s: no status in the answer", path);
    if (!rc) *status = response->fs;
    return rc;
}

/* What we cannot write must not stay behind as an open file. */
static int refuse_layout(struct out_stream *stream, const Pb__HdfsFileStatus *status,
                         struct err *err)
{
    struct err inner = ERR_INIT;
    bool done;

    if (!status->ecpolicy && !status->fileencryptioninfo) return 0;
    if (complete_once(stream, &done, &inner) ||
        fs_delete(stream->fs, stream->path, false, NULL, &inner))
        log_warn("cannot take back %s: %s", stream->path, inner.text);
    return err_set(err, ERR_UNSUPPORTED, "%s would be %s: writing such files is not supported",
                   stream->path, status->ecpolicy ? "erasure coded" : "encrypted");
}

int fs_create(struct fs *fs, const char *path, const struct fs_create_options *options,
              struct out_stream **result, struct err *err)
{
    static const struct fs_create_options defaults;
    Pb__HdfsFileStatus *status;
    struct arena arena = {0};
    struct checksum sum;

    if (!options) options = &defaults;
    int rc = fs_check_path(path, err);
    if (!rc) rc = pick_checksum(fs, options, &sum, err);
    if (!rc)
        rc = check_block_size(
            &sum, options->block_size ? options->block_size : fs->settings.block_size, err);
    if (!rc) rc = call_create(fs, path, options, &arena, &status, err);
    if (rc) goto out;
    struct out_stream *stream = stream_new(fs, path, status, sum);
    stream->sync_block = options->sync_block;
    stream->pipeline.lazy_persist = options->lazy_persist;
    rc = check_block_size(&sum, status->blocksize, err);
    if (!rc) rc = refuse_layout(stream, status, err);
    if (!rc) rc = lease_keep_add(fs->leases, stream, err);
    if (rc)
        out_stream_abort(stream);
    else
        *result = stream;
out:
    arena_release(&arena);
    return rc;
}

/* ---- append ---- */

static int call_append(struct fs *fs, const char *path, bool new_block, struct arena *arena,
                       Pb__AppendResponse **response, struct err *err)
{
    Pb__AppendRequest request = PB__APPEND_REQUEST__INIT;
    int rc;

    request.src = (char *)(uintptr_t)path;
    request.clientname = fs->client_name;
    request.has_flag = true;
    request.flag = PB__CREATE_FLAG__APPEND | (new_block ? PB__CREATE_FLAG__NEW_BLOCK : 0);
    for (int tries = 0;; tries++) {
        rc =
            fs_call(fs, "append", &request, &pb__append_response__descriptor, arena, response, err);
        if (rc != ERR_RETRIABLE || tries >= APPEND_RETRIES) break;
        clock_sleep_ms(APPEND_PAUSE_MS);
    }
    if (!rc && !(*response)->stat)
        rc = err_set(err, ERR_BAD_MESSAGE, "append to %s: no status in the answer", path);
    return rc;
}

int fs_append(struct fs *fs, const char *path, bool new_block, struct out_stream **result,
              struct err *err)
{
    static const struct fs_create_options defaults;
    Pb__AppendResponse *response;
    struct arena arena = {0};
    struct checksum sum;

    int rc = fs_check_path(path, err);
    if (!rc) rc = pick_checksum(fs, &defaults, &sum, err);
    if (!rc) rc = call_append(fs, path, new_block, &arena, &response, err);
    if (rc) goto out;
    struct out_stream *stream = stream_new(fs, path, response->stat, sum);
    stream->pipeline.appending = true;
    stream->finished = response->stat->length;
    rc = check_block_size(&sum, response->stat->blocksize, err);
    if (!rc && response->stat->ecpolicy)
        rc = err_set(err, ERR_UNSUPPORTED, "%s is erasure coded: appending is not supported", path);
    if (!rc && response->block)
        rc = pipeline_set_append(&stream->pipeline, response->block, new_block, err);
    if (!rc && stream->pipeline.stage == PIPELINE_APPEND) {
        stream->position = stream->pipeline.block.numbytes;
        stream->finished -= MIN(stream->finished, stream->position);
    }
    if (!rc) rc = lease_keep_add(fs->leases, stream, err);
    if (rc)
        out_stream_abort(stream);
    else
        *result = stream;
out:
    arena_release(&arena);
    return rc;
}
