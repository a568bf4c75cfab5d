/*
 * The protocol of one connection, server side (org.apache.hadoop.ipc.Server.Connection):
 *
 *   PREAMBLE --"hrpc" 9--> CONTEXT --context--> OPEN --calls--> OPEN       on_preamble, on_context,
 *      |          \--SASL--> SASL --switched to simple--> CONTEXT          on_call, on_sasl
 *      \______________________ any breach ______________/                  fail_fatal
 *                                 LAST --all sent--> LINGER --peer's end or a second--> CLOSED
 *
 * Input is parsed straight from the thread's scratch memory; only an unfinished frame, or one that
 * may not be taken yet because too many calls are in flight, is kept in the connection.
 */
#include "common/rpc_conn.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

enum {
    READS_PER_TURN = 4, /* then other connections have their turn */
    WRITE_PARTS = 64,   /* answers per sendmsg */
    LINGER_MS = 1000,
    STUCK_MS = 15 * 60 *
               1000, /* a peer that takes none of its answers: Apache's ipc.server.purge.interval */
    BLAMED_INPUT_MIN = 1 << 20,
};

#define DETAIL(name) PB__RPC_RESPONSE_HEADER__RPC_ERROR_CODE__##name

static void on_ready(int fd, unsigned events, void *arg);

/* --- life --- */

static struct rpc_conn_list *list_of(struct rpc_conn *conn)
{
    struct rpc_thread *thread = conn->thread;

    switch (conn->state) {
    case RPC_CONN_PREAMBLE:
    case RPC_CONN_SASL:
    case RPC_CONN_CONTEXT: return &thread->handshaking;
    case RPC_CONN_OPEN:
    case RPC_CONN_LAST: return &thread->open;
    case RPC_CONN_LINGER: return &thread->lingering;
    case RPC_CONN_CLOSED: break;
    }
    return NULL;
}

static void set_state(struct rpc_conn *conn, enum rpc_conn_state state)
{
    struct rpc_conn_list *before = list_of(conn);

    conn->state = state;
    struct rpc_conn_list *after = list_of(conn);
    if (before == after) return;
    if (before) TAILQ_REMOVE(before, conn, link);
    if (after) TAILQ_INSERT_TAIL(after, conn, link);
    conn->last_ms = clock_mono_ms();
}

/* Keeps the list of open connections in the order of their last sign of life. */
static void touch(struct rpc_conn *conn)
{
    if (conn->state != RPC_CONN_OPEN) return;
    conn->last_ms = clock_mono_ms();
    if (!TAILQ_NEXT(conn, link)) return;
    TAILQ_REMOVE(&conn->thread->open, conn, link);
    TAILQ_INSERT_TAIL(&conn->thread->open, conn, link);
}

static void watch(struct rpc_conn *conn)
{
    unsigned events = 0;

    if (conn->state == RPC_CONN_CLOSED) return;
    if (!conn->paused) events |= LOOP_READ;
    if (!STAILQ_EMPTY(&conn->out)) events |= LOOP_WRITE;
    if (events == conn->watched) return;
    conn->watched = events;
    loop_watch_set(conn->watch, events);
}

void rpc_conn_open(struct rpc_thread *thread, int fd)
{
    struct rpc_conn *conn = NEW(struct rpc_conn);
    struct net_addr local;

    conn->thread = thread;
    conn->fd = fd;
    conn->refs = 1;
    conn->protocol = mem_strdup("");
    STAILQ_INIT(&conn->out);
    TAILQ_INSERT_TAIL(&thread->handshaking, conn, link);
    conn->last_ms = clock_mono_ms();
    if (!net_peer(fd, &conn->peer)) snprintf(conn->peer.host, sizeof conn->peer.host, "unknown");
    if (net_local(fd, &local)) conn->local_port = local.port;
    net_set_nodelay(fd);
    net_set_keepalive(fd);
    conn->watch = loop_watch_new(thread->loop, fd, on_ready, conn);
    watch(conn);
}

void rpc_conn_put(struct rpc_conn *conn)
{
    assert(conn->refs > 0);
    if (--conn->refs) return;
    assert(conn->state == RPC_CONN_CLOSED);
    mem_free((char *)conn->user.name);
    mem_free((char *)conn->user.real);
    mem_free(conn->protocol);
    mem_free(conn);
}

static void drop_input(struct rpc_conn *conn)
{
    conn->thread->input_bytes -= conn->in.capacity;
    buf_release(&conn->in);
    conn->in_taken = 0;
}

static void drop_output(struct rpc_conn *conn)
{
    while (!STAILQ_EMPTY(&conn->out)) {
        struct rpc_full_call *call = STAILQ_FIRST(&conn->out);
        STAILQ_REMOVE_HEAD(&conn->out, out_link);
        rpc_thread_recycle(conn->thread, call);
    }
    conn->out_bytes = 0;
}

void rpc_conn_close(struct rpc_conn *conn)
{
    if (conn->state == RPC_CONN_CLOSED) return;
    set_state(conn, RPC_CONN_CLOSED);
    if (conn->in_paused) TAILQ_REMOVE(&conn->thread->paused, conn, paused_link);
    conn->in_paused = false;
    loop_watch_free(conn->watch);
    conn->watch = NULL;
    close(conn->fd);
    conn->fd = -1;
    drop_input(conn);
    drop_output(conn);
    atomic_fetch_sub_explicit(&conn->thread->server->connections, 1, memory_order_relaxed);
    rpc_conn_put(conn);
}

/* --- output --- */

/* All was sent after a fatal answer. Closing at once would reset the connection if input is unread,
 * and the peer could lose the answer; so wait a little for its end. */
static void linger(struct rpc_conn *conn)
{
    if (shutdown(conn->fd, SHUT_WR)) {
        rpc_conn_close(conn);
        return;
    }
    set_state(conn, RPC_CONN_LINGER);
}

/* Takes `sent` bytes off the queue. */
static void advance(struct rpc_conn *conn, size_t sent)
{
    conn->out_bytes -= sent;
    while (sent) {
        struct rpc_full_call *call = STAILQ_FIRST(&conn->out);
        size_t part = MIN(sent, call->out.length - call->written);
        call->written += part;
        sent -= part;
        if (call->written < call->out.length) return;
        STAILQ_REMOVE_HEAD(&conn->out, out_link);
        rpc_thread_recycle(conn->thread, call);
    }
}

static ssize_t send_some(struct rpc_conn *conn)
{
    struct iovec parts[WRITE_PARTS];
    struct msghdr message = {.msg_iov = parts};

    for (struct rpc_full_call *call = STAILQ_FIRST(&conn->out);
         call && message.msg_iovlen < WRITE_PARTS; call = STAILQ_NEXT(call, out_link))
        parts[message.msg_iovlen++] = (struct iovec){.iov_base = call->out.data + call->written,
                                                     .iov_len = call->out.length - call->written};
    return sendmsg(conn->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void rpc_conn_flush(struct rpc_conn *conn)
{
    if (conn->state == RPC_CONN_CLOSED) return;
    while (!STAILQ_EMPTY(&conn->out)) {
        ssize_t sent = send_some(conn);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        if (sent < 0) {
            rpc_conn_close(conn);
            return;
        }
        atomic_fetch_add_explicit(&conn->thread->bytes_sent, (uint64_t)sent, memory_order_relaxed);
        advance(conn, (size_t)sent);
        touch(conn);
    }
    if (STAILQ_EMPTY(&conn->out) && conn->state == RPC_CONN_LAST) linger(conn);
    watch(conn);
}

/* An answer of the server's own, which no daemon's call stands behind. */
static struct rpc_full_call *own_answer(struct rpc_conn *conn)
{
    struct rpc_full_call *call = rpc_thread_call(conn->thread, NULL);

    call->answered = true;
    return call;
}

static void send_own(struct rpc_conn *conn, struct rpc_full_call *call)
{
    STAILQ_INSERT_TAIL(&conn->out, call, out_link);
    conn->out_bytes += call->out.length;
    rpc_thread_dirty(conn);
}

static void init_response(Pb__RpcResponseHeader *header, int32_t call_id, int32_t retry_count)
{
    pb__rpc_response_header__init(header);
    header->callid = (uint32_t)call_id;
    header->has_serveripcversionnum = header->has_clientid = header->has_retrycount = true;
    header->serveripcversionnum = RPC_VERSION;
    header->retrycount = retry_count;
}

/* From here on nothing more is read; the connection closes once its output is out. */
static void stop_taking(struct rpc_conn *conn)
{
    set_state(conn, RPC_CONN_LAST);
    drop_input(conn);
    conn->paused = false;
    atomic_fetch_add_explicit(&conn->thread->refused, 1, memory_order_relaxed);
    rpc_thread_dirty(conn);
}

static void fail_fatal(struct rpc_conn *conn, int32_t call_id, int32_t retry_count,
                       Pb__RpcResponseHeader__RpcErrorCode detail, const struct err *err)
{
    struct rpc_full_call *answer = own_answer(conn);
    Pb__RpcResponseHeader header;

    log_limited(LOG_WARN, 1000, "RPC connection from %s:%u refused: %s", conn->peer.host,
                (unsigned)conn->peer.port, err->text);
    init_response(&header, call_id, retry_count);
    rpc_response_set_error(&header, PB__RPC_RESPONSE_HEADER__RPC_STATUS__FATAL, detail, err);
    rpc_put_response(&answer->out, &header, NULL);
    send_own(conn, answer);
    stop_taking(conn);
}

/* --- the opening --- */

static void answer_http(struct rpc_conn *conn)
{
    struct rpc_full_call *answer = own_answer(conn);

    buf_put_str(
        &answer->out,
        "HTTP/1.1 404 Not Found\r\nContent-type: text/plain\r\n\r\nIt looks like you are making "
        "an HTTP request to a Hadoop IPC port. This is not the correct port for the web "
        "interface on this daemon.\r\n");
    send_own(conn, answer);
    stop_taking(conn);
}

static void put_old_string(struct buf *out, const char *text)
{
    buf_put_u32(out, (uint32_t)strlen(text));
    buf_put_str(out, text);
}

static void refuse_version(struct rpc_conn *conn, int version)
{
    struct err err = ERR_INIT;

    err_set(&err, ERR_RPC_VERSION,
            "Server IPC version %d cannot communicate with client version %d", RPC_VERSION,
            version);
    if (version >= RPC_VERSION) {
        fail_fatal(conn, RPC_CALL_AUTHORIZATION_FAILED, RPC_RETRY_INVALID,
                   DETAIL(FATAL_VERSION_MISMATCH), &err);
        return;
    }
    if (version >= 3) { /* versions 3 to 8: no frame, no protobuf */
        struct rpc_full_call *answer = own_answer(conn);
        buf_put_u32(&answer->out, UINT32_MAX);
        buf_put_u32(&answer->out, UINT32_MAX);
        put_old_string(&answer->out, err_java_class(err.code));
        put_old_string(&answer->out, err.text);
        send_own(conn, answer);
    }
    stop_taking(conn);
}

/* Java's bytes have a sign, and its texts show it. */
static int signed_byte(uint8_t byte)
{
    return byte < 0x80 ? byte : byte - 0x100;
}

static void on_preamble(struct rpc_conn *conn, const uint8_t *bytes)
{
    int version = signed_byte(bytes[4]);
    struct err err = ERR_INIT;

    if (memcmp(bytes, "GET ", 4) == 0) {
        answer_http(conn);
    } else if (memcmp(bytes, "hrpc", 4) != 0 || version != RPC_VERSION) {
        refuse_version(conn, version);
    } else if (bytes[6] == RPC_AUTH_NONE) {
        set_state(conn, RPC_CONN_CONTEXT);
    } else if (bytes[6] == RPC_AUTH_SASL) {
        set_state(conn, RPC_CONN_SASL);
    } else {
        err_set(&err, ERR_IPC, "Unknown auth protocol:%d", signed_byte(bytes[6]));
        fail_fatal(conn, RPC_CALL_AUTHORIZATION_FAILED, RPC_RETRY_INVALID,
                   DETAIL(FATAL_UNAUTHORIZED), &err);
    }
}

static void answer_sasl_success(struct rpc_conn *conn)
{
    struct rpc_full_call *answer = own_answer(conn);
    Pb__RpcResponseHeader header;
    Pb__RpcSasl message = PB__RPC_SASL__INIT;

    init_response(&header, RPC_CALL_SASL, RPC_RETRY_INVALID);
    header.status = PB__RPC_RESPONSE_HEADER__RPC_STATUS__SUCCESS;
    message.state = PB__RPC_SASL__SASL_STATE__SUCCESS;
    rpc_put_response(&answer->out, &header, &message.base);
    send_own(conn, answer);
}

/* A server that knows SIMPLE alone answers the first message with SUCCESS, which clients take as
 * the switch to simple. A client that begins with INITIATE of SIMPLE expects no answer. */
static void on_sasl(struct rpc_conn *conn, const Pb__RpcRequestHeader *request,
                    const Pb__RpcSasl *message)
{
    struct err err = ERR_INIT;

    switch (message->state) {
    case PB__RPC_SASL__SASL_STATE__INITIATE:
        if (message->n_auths == 1 && str_eq(message->auths[0]->method, "SIMPLE")) {
            set_state(conn, RPC_CONN_CONTEXT);
            return;
        }
        if (message->n_auths != 1) {
            err_set(&err, ERR_SASL, "Client mechanism is malformed");
            break;
        }
        answer_sasl_success(conn);
        set_state(conn, RPC_CONN_CONTEXT);
        return;
    case PB__RPC_SASL__SASL_STATE__NEGOTIATE:
        answer_sasl_success(conn);
        set_state(conn, RPC_CONN_CONTEXT);
        return;
    case PB__RPC_SASL__SASL_STATE__WRAP:
        err_set(&err, ERR_SASL, "Server is not wrapping data");
        fail_fatal(conn, request->callid, request->retrycount, DETAIL(FATAL_INVALID_RPC_HEADER),
                   &err);
        return;
    default: err_set(&err, ERR_SASL, "Client sent unsupported state %d", (int)message->state);
    }
    fail_fatal(conn, request->callid, request->retrycount, DETAIL(FATAL_UNAUTHORIZED), &err);
}

static int authorize(struct rpc_conn *conn, struct err *err)
{
    const struct rpc_server_options *options = &conn->thread->server->options;

    if (options->authorize)
        return options->authorize(options->context, &conn->user, conn->protocol, conn->peer.host,
                                  err);
    if (!conn->user.real) return 0;
    return err_set(err, ERR_AUTHORIZATION, "User: %s is not allowed to impersonate %s",
                   conn->user.real, conn->user.name);
}

static int take_user(struct rpc_conn *conn, const Pb__IpcConnectionContext *context,
                     struct err *err)
{
    const Pb__UserInformation *info = context->userinfo;

    if (!info || str_empty(info->effectiveuser))
        return err_set(err, ERR_ACCESS, "the connection context names no user");
    conn->user.name = mem_strdup(info->effectiveuser);
    if (!str_empty(info->realuser)) conn->user.real = mem_strdup(info->realuser);
    if (context->protocol) {
        mem_free(conn->protocol);
        conn->protocol = mem_strdup(context->protocol);
    }
    return authorize(conn, err);
}

static void on_context(struct rpc_conn *conn, const Pb__RpcRequestHeader *request,
                       const Pb__IpcConnectionContext *context)
{
    struct err err = ERR_INIT;
    int rc = take_user(conn, context, &err);

    if (rc)
        fail_fatal(conn, request->callid, request->retrycount, DETAIL(FATAL_UNAUTHORIZED), &err);
    else
        set_state(conn, RPC_CONN_OPEN);
}

/* --- frames --- */

static ProtobufCMessage *take_or_refuse(struct rpc_conn *conn, struct cursor *cursor,
                                        const ProtobufCMessageDescriptor *type,
                                        const Pb__RpcRequestHeader *request, struct arena *arena)
{
    struct err why = ERR_INIT, err = ERR_INIT;
    ProtobufCMessage *message = rpc_take_delimited(cursor, type, arena, &why);

    if (message) return message;
    err_set(&err, ERR_RPC_SERVER, "Error decoding %sProto: %s: %s", type->short_name,
            err_java_class(why.code), why.text);
    fail_fatal(conn, request ? request->callid : RPC_CALL_AUTHORIZATION_FAILED,
               request ? request->retrycount : RPC_RETRY_INVALID,
               DETAIL(FATAL_DESERIALIZING_REQUEST), &err);
    return NULL;
}

static void refuse_header(struct rpc_conn *conn, const Pb__RpcRequestHeader *request, int code,
                          const char *text)
{
    struct err err = ERR_INIT;

    err_set(&err, code, "%s", text);
    fail_fatal(conn, request->callid, request->retrycount, DETAIL(FATAL_INVALID_RPC_HEADER), &err);
}

static const char *header_fault(const Pb__RpcRequestHeader *request)
{
    /* Java's proto2 takes an unknown value of an enum for an absent field. */
    if (!request->has_rpcop || (uint32_t)request->rpcop > 2)
        return " IPC Server: No rpc op in rpcRequestHeader";
    if (request->rpcop == PB__RPC_REQUEST_HEADER__OPERATION__RPC_CONTINUATION_PACKET)
        return "IPC Server does not implement rpc header operationRPC_CONTINUATION_PACKET";
    if (request->rpcop == PB__RPC_REQUEST_HEADER__OPERATION__RPC_CLOSE_CONNECTION)
        return "IPC Server does not implement rpc header operationRPC_CLOSE_CONNECTION";
    if (!request->has_rpckind || (uint32_t)request->rpckind > 2)
        return " IPC Server: No rpc kind in rpcRequestHeader";
    return NULL;
}

static void on_out_of_band(struct rpc_conn *conn, const Pb__RpcRequestHeader *request,
                           struct cursor *cursor, struct arena *arena)
{
    ProtobufCMessage *message;
    char text[64];

    switch (request->callid) {
    case RPC_CALL_CONTEXT:
        if (conn->state == RPC_CONN_SASL) {
            refuse_header(conn, request, ERR_RPC_SERVER,
                          "Connection header sent during SASL negotiation");
            return;
        }
        if (conn->state == RPC_CONN_OPEN) {
            refuse_header(conn, request, ERR_RPC_SERVER, "Connection context already processed");
            return;
        }
        message =
            take_or_refuse(conn, cursor, &pb__ipc_connection_context__descriptor, request, arena);
        if (message) on_context(conn, request, (const Pb__IpcConnectionContext *)message);
        return;
    case RPC_CALL_SASL:
        if (conn->state != RPC_CONN_SASL) {
            refuse_header(conn, request, ERR_RPC_SERVER, "SASL protocol not requested by client");
            return;
        }
        message = take_or_refuse(conn, cursor, &pb__rpc_sasl__descriptor, request, arena);
        if (message) on_sasl(conn, request, (const Pb__RpcSasl *)message);
        return;
    case RPC_CALL_PING: return;
    default:
        snprintf(text, sizeof text, "Unknown out of band call #%d", (int)request->callid);
        refuse_header(conn, request, ERR_RPC_SERVER, text);
    }
}

/* Moves what the header says into the call. */
static void describe_call(struct rpc_full_call *call, const Pb__RpcRequestHeader *request)
{
    struct rpc_call *pub = &call->pub;

    pub->call_id = request->callid;
    pub->retry_count = request->retrycount;
    pub->caller_context = request->callercontext ? request->callercontext->context : NULL;
    pub->has_state_id = request->has_stateid;
    pub->state_id = request->stateid;
    pub->has_client_id = request->clientid.len == RPC_CLIENT_ID_SIZE;
    if (pub->has_client_id) memcpy(pub->client_id, request->clientid.data, RPC_CLIENT_ID_SIZE);
    call->client_id = request->clientid;
}

/* An error that only this call has: the connection goes on. */
static void fail_call(struct rpc_full_call *call, const struct err *err)
{
    rpc_call_fail(&call->pub, err);
    rpc_call_release(&call->pub);
}

static void take_request(struct rpc_full_call *call, struct cursor *cursor)
{
    struct err err = ERR_INIT, why = ERR_INIT;
    struct rpc_call *pub = &call->pub;
    ProtobufCMessage *operation =
        rpc_take_delimited(cursor, &pb__request_header__descriptor, &pub->arena, &why);

    if (!operation) {
        err_set(&err, ERR_RPC_SERVER, "Error decoding RequestHeaderProto: %s: %s",
                err_java_class(why.code), why.text);
        fail_call(call, &err);
        return;
    }
    pub->op = rpc_find_op(call->conn, (const Pb__RequestHeader *)operation, &err);
    if (!pub->op) {
        fail_call(call, &err);
        return;
    }
    pub->request = rpc_take_delimited(cursor, pub->op->request, &pub->arena, &err);
    if (!pub->request) {
        fail_call(call, &err);
        return;
    }
    call->conn->thread->submitted = true;
    call->conn->thread->server->options.submit(call->conn->thread->server->options.context, pub);
}

static void on_frame(struct rpc_conn *conn, const uint8_t *frame, size_t size)
{
    struct rpc_thread *thread = conn->thread;
    struct rpc_full_call *call = rpc_thread_call(thread, conn);
    struct cursor cursor = cursor_of(frame, size);
    const Pb__RpcRequestHeader *request = (const Pb__RpcRequestHeader *)take_or_refuse(
        conn, &cursor, &pb__rpc_request_header__descriptor, NULL, &call->pub.arena);
    const char *fault = request ? header_fault(request) : NULL;

    if (!request || fault) {
        if (fault) refuse_header(conn, request, ERR_RPC_SERVER, fault);
    } else if (request->callid < 0) {
        on_out_of_band(conn, request, &cursor, &call->pub.arena);
    } else if (conn->state != RPC_CONN_OPEN) {
        refuse_header(conn, request, ERR_RPC_SERVER, "Connection context not established");
    } else if (request->rpckind != PB__RPC_KIND__RPC_PROTOCOL_BUFFER) {
        refuse_header(conn, request, ERR_RPC_SERVER,
                      request->rpckind == PB__RPC_KIND__RPC_BUILTIN
                          ? "Unknown rpc kind in rpc headerRPC_BUILTIN"
                          : "Unknown rpc kind in rpc headerRPC_WRITABLE");
    } else {
        describe_call(call, request);
        conn->refs++;
        conn->calls++;
        thread->calls++;
        atomic_fetch_add_explicit(&thread->calls_in_flight, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&thread->calls_total, 1, memory_order_relaxed);
        take_request(call, &cursor);
        return;
    }
    rpc_thread_recycle(thread, call);
}

/* --- input --- */

/* May another call of this connection be taken now? */
static bool may_take(struct rpc_conn *conn)
{
    const struct rpc_server_options *options = &conn->thread->server->options;

    if (conn->state != RPC_CONN_OPEN) return true;
    if (conn->calls >= options->connection_calls_max || conn->out_bytes > options->output_max)
        return false;
    if (conn->thread->calls < conn->thread->calls_max) return true;
    if (!conn->in_paused) TAILQ_INSERT_TAIL(&conn->thread->paused, conn, paused_link);
    conn->in_paused = true;
    return false;
}

/* Takes whole frames from the front of `data`; answers the bytes taken. */
static size_t take_frames(struct rpc_conn *conn, const uint8_t *data, size_t size)
{
    size_t taken = 0;

    while (conn->state < RPC_CONN_LAST) {
        if (conn->state == RPC_CONN_PREAMBLE) {
            if (size - taken < RPC_PREAMBLE_SIZE) break;
            on_preamble(conn, data + taken);
            taken += RPC_PREAMBLE_SIZE;
            continue;
        }
        if (size - taken < 4) break;
        size_t length = get_be32(data + taken);
        if (length > conn->thread->server->options.frame_max) { /* as Apache: no answer */
            atomic_fetch_add_explicit(&conn->thread->refused, 1, memory_order_relaxed);
            rpc_conn_close(conn);
            break;
        }
        if (size - taken - 4 < length) break;
        if (!may_take(conn)) {
            conn->paused = true;
            break;
        }
        on_frame(conn, data + taken + 4, length);
        taken += 4 + length;
    }
    return taken;
}

/* Room in conn->in for the rest of the frame it holds, growing only as data really arrive. */
static bool reserve_input(struct rpc_conn *conn)
{
    struct rpc_thread *thread = conn->thread;
    size_t before = conn->in.capacity;

    buf_consume(&conn->in, conn->in_taken);
    conn->in_taken = 0;
    buf_reserve(&conn->in, MAX((size_t)RPC_READ_CHUNK / 4, conn->in.length / 2));
    thread->input_bytes += conn->in.capacity - before;
    return thread->input_bytes <= thread->server->options.input_max ||
           conn->in.capacity < BLAMED_INPUT_MIN;
}

static void take_kept(struct rpc_conn *conn)
{
    size_t taken =
        take_frames(conn, conn->in.data + conn->in_taken, conn->in.length - conn->in_taken);

    if (conn->state >= RPC_CONN_LAST) return; /* the buffer is gone */
    conn->in_taken += taken;
    if (conn->in_taken == conn->in.length) drop_input(conn);
}

static void keep_rest(struct rpc_conn *conn, const uint8_t *data, size_t size)
{
    size_t before = conn->in.capacity;

    if (!size || conn->state >= RPC_CONN_LAST) return;
    buf_put(&conn->in, data, size);
    conn->thread->input_bytes += conn->in.capacity - before;
}

/* One recv; false when there is nothing more for now. */
static bool read_once(struct rpc_conn *conn)
{
    bool direct = conn->in.length > conn->in_taken; /* an unfinished frame: read on behind it */
    uint8_t *to = conn->thread->scratch;
    size_t room = RPC_READ_CHUNK;

    if (direct && conn->state < RPC_CONN_LAST) {
        if (!reserve_input(conn)) {
            log_limited(LOG_WARN, 1000,
                        "RPC connection from %s dropped: unfinished requests hold %" PRIu64
                        " bytes",
                        conn->peer.host, conn->thread->input_bytes);
            atomic_fetch_add_explicit(&conn->thread->refused, 1, memory_order_relaxed);
            rpc_conn_close(conn);
            return false;
        }
        to = conn->in.data + conn->in.length;
        room = conn->in.capacity - conn->in.length;
    }
    ssize_t got = recv(conn->fd, to, room, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) return true;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (got <= 0) {
        rpc_conn_close(conn);
        return false;
    }
    atomic_fetch_add_explicit(&conn->thread->bytes_received, (uint64_t)got, memory_order_relaxed);
    if (conn->state >= RPC_CONN_LAST) return true; /* thrown away */
    touch(conn);
    if (direct) {
        conn->in.length += (size_t)got;
        take_kept(conn);
    } else {
        size_t taken = take_frames(conn, to, (size_t)got);
        keep_rest(conn, to + taken, (size_t)got - taken);
    }
    return (size_t)got == room;
}

static void on_ready(int fd UNUSED, unsigned events, void *arg)
{
    struct rpc_conn *conn = arg;
    struct rpc_thread *thread = conn->thread;

    conn->refs++;
    if (events & LOOP_WRITE) rpc_conn_flush(conn);
    if (events & LOOP_READ)
        for (int i = 0; i < READS_PER_TURN && conn->state != RPC_CONN_CLOSED && !conn->paused; i++)
            if (!read_once(conn)) break;
    rpc_conn_resume(conn);
    rpc_conn_put(conn);
    rpc_thread_turn_end(thread);
}

/* Reading goes on at half of the limits, so that a connection does not stop and go at every call.
 */
void rpc_conn_resume(struct rpc_conn *conn)
{
    const struct rpc_server_options *options = &conn->thread->server->options;

    if (conn->paused && conn->state == RPC_CONN_OPEN &&
        conn->calls <= options->connection_calls_max / 2 &&
        conn->out_bytes <= options->output_max / 2 &&
        conn->thread->calls < conn->thread->calls_max) {
        if (conn->in_paused) TAILQ_REMOVE(&conn->thread->paused, conn, paused_link);
        conn->in_paused = conn->paused = false;
        conn->refs++;
        take_kept(conn);
        bool closed = conn->state == RPC_CONN_CLOSED;
        rpc_conn_put(conn);
        if (closed) return;
    }
    watch(conn);
}

/* --- time --- */

static void close_expired(struct rpc_conn_list *list, int64_t before_ms)
{
    struct rpc_conn *conn;

    while ((conn = TAILQ_FIRST(list)) && conn->last_ms <= before_ms) rpc_conn_close(conn);
}

static bool is_idle(const struct rpc_conn *conn, int64_t now_ms)
{
    const struct rpc_server *server = conn->thread->server;

    if (!STAILQ_EMPTY(&conn->out)) return now_ms - conn->last_ms >= STUCK_MS;
    return !conn->calls && now_ms - conn->last_ms >= server->options.idle_ms &&
           atomic_load_explicit(&server->connections, memory_order_relaxed) >
               server->options.idle_threshold;
}

void rpc_conn_tick(struct rpc_thread *thread, int64_t now_ms)
{
    struct rpc_conn *conn, *next;

    close_expired(&thread->handshaking, now_ms - thread->server->options.handshake_ms);
    close_expired(&thread->lingering, now_ms - LINGER_MS);
    for (conn = TAILQ_FIRST(&thread->open); conn; conn = next) {
        next = TAILQ_NEXT(conn, link);
        if (now_ms - conn->last_ms < thread->server->options.idle_ms) break; /* oldest first */
        if (is_idle(conn, now_ms)) rpc_conn_close(conn);
    }
}
