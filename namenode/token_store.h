/*
 * Delegation tokens and their master keys as edits and images carry them (DelegationTokenSecretManager without security: what an earlier,
 * secured namenode issued is kept, nothing is issued or checked).
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_TOKEN_STORE_H
#define NAMENODE_TOKEN_STORE_H

#include "common/buf.h"
#include "namenode/edit.h"

struct token_key {
    int32_t id;
    int64_t expiry_ms;
    bool has_bytes;
    struct buf bytes;
};

struct token {
    uint8_t version;
    char *owner, *renewer, *real_user;
    int64_t issue_ms, max_ms, expiry_ms;
    int32_t sequence, key_id;
};

struct token_store {
    int32_t key_id_last, sequence_last;
    struct token_key *keys; /* as they came */
    size_t key_count, key_capacity;
    struct token *tokens;
    size_t token_count, token_capacity;
};

struct token_store *token_store_new(void);
void token_store_free(struct token_store *store); /* NULL is fine */
/* Copies; replaces a key of the same id. */
void token_store_put_key(struct token_store *store, const struct token_key *key);
/* Copies. ERR_CORRUPT for one that is there already. */
int token_store_put(struct token_store *store, const struct token *token,
                    struct err *err) MUST_CHECK;

int apply_get_token(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_renew_token(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_cancel_token(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_master_key(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;

#endif
