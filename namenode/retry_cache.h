/*
 * Repeats of calls that must take effect at most once (org.apache.hadoop.ipc.RetryCache): a client
 * that lost an answer sends the call again with the same client id and call id; if the first one
 * succeeded, it gets that answer.
 *
 *   begin -> NEW:     run it, then succeed() or fail(), exactly one of them
 *         -> RUNNING: the first one is not finished: ask again once it is
 *         -> DONE:    answer with the payload
 *
 * An entry lives for the expiry time from its begin; a failed call leaves none, so its repeat runs
 * anew. When memory runs out, the oldest finished entries go first. Pure data: time is an argument.
 * One thread at a time.
 */
#ifndef NAMENODE_RETRY_CACHE_H
#define NAMENODE_RETRY_CACHE_H

#include "common/base.h"

enum { RETRY_CLIENT_ID_SIZE = 16, RETRY_CACHE_MEMORY_MIN = 1 << 20 };

enum retry_cache_state { RETRY_CACHE_NEW, RETRY_CACHE_RUNNING, RETRY_CACHE_DONE };

struct retry_cache;

/* expiry_ms: dfs.namenode.retrycache.expirytime.millis. memory_max: bytes of entries and payloads
 * (at least RETRY_CACHE_MEMORY_MIN are used); Apache takes dfs.namenode.retrycache.heap.percent of
 * its heap. */
struct retry_cache *retry_cache_new(int64_t expiry_ms, uint64_t memory_max);
void retry_cache_free(struct retry_cache *cache); /* NULL is fine */

/* For a call with a client id of 16 bytes and a call id of 0 or more; others are not for the cache.
 * With DONE, *payload is the response message of the first call, valid until the next change; NULL
 * when it is not known (the entry comes from the edit log): the caller knows then from the method
 * what success looks like. */
enum retry_cache_state retry_cache_begin(struct retry_cache *cache, const uint8_t *client_id,
                                         int32_t call_id, int64_t now_ms, const uint8_t **payload,
                                         size_t *size);

/* The call that began here has ended. Payload may be NULL; it is copied. */
void retry_cache_succeed(struct retry_cache *cache, const uint8_t *client_id, int32_t call_id,
                         const void *payload, size_t size);
void retry_cache_fail(struct retry_cache *cache, const uint8_t *client_id, int32_t call_id);

/* A call that succeeded elsewhere or earlier: from an edit log record. Replaces what is there. */
void retry_cache_put(struct retry_cache *cache, const uint8_t *client_id, int32_t call_id,
                     int64_t now_ms, const void *payload, size_t size);

/* Drops what is older than the expiry time; cheap when nothing is. begin() does it, too. */
void retry_cache_expire(struct retry_cache *cache, int64_t now_ms);
void retry_cache_clear(struct retry_cache *cache); /* but for calls that run */

uint64_t retry_cache_count(const struct retry_cache *cache);
uint64_t retry_cache_memory(const struct retry_cache *cache);

#endif
