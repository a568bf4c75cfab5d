#include "namenode/token_store.h"

#include "common/mem.h"
#include "namenode/apply_tree.h"
#include "namenode/core.h"

struct token_store *token_store_new(void)
{
    return NEW(struct token_store);
}

static void token_release(struct token *token)
{
    mem_free(token->owner);
    mem_free(token->renewer);
    mem_free(token->real_user);
}

void token_store_free(struct token_store *store)
{
    if (!store) return;
    for (size_t i = 0; i < store->key_count; i++) buf_release(&store->keys[i].bytes);
    for (size_t i = 0; i < store->token_count; i++) token_release(&store->tokens[i]);
    mem_free(store->keys);
    mem_free(store->tokens);
    mem_free(store);
}

static struct token_key *find_key(struct token_store *store, int32_t id)
{
    for (size_t i = 0; i < store->key_count; i++)
        if (store->keys[i].id == id) return &store->keys[i];
    return NULL;
}

void token_store_put_key(struct token_store *store, const struct token_key *key)
{
    struct token_key *mine = find_key(store, key->id);

    if (!mine) {
        GROW(store->keys, store->key_capacity, store->key_count + 1);
        mine = &store->keys[store->key_count++];
        *mine = (struct token_key){.id = key->id};
    }
    mine->expiry_ms = key->expiry_ms;
    mine->has_bytes = key->has_bytes;
    buf_clear(&mine->bytes);
    buf_put(&mine->bytes, key->bytes.data, key->bytes.length);
    store->key_id_last = MAX(store->key_id_last, key->id);
}

/* AbstractDelegationTokenIdentifier.equals, without the version. */
static bool same(const struct token *a, const struct token *b)
{
    return a->sequence == b->sequence && a->issue_ms == b->issue_ms && a->max_ms == b->max_ms &&
           a->key_id == b->key_id && str_eq(a->owner, b->owner) && str_eq(a->renewer, b->renewer) &&
           str_eq(a->real_user, b->real_user);
}

static struct token *find_token(struct token_store *store, const struct token *token)
{
    for (size_t i = 0; i < store->token_count; i++)
        if (same(&store->tokens[i], token)) return &store->tokens[i];
    return NULL;
}

int token_store_put(struct token_store *store, const struct token *token, struct err *err)
{
    if (find_token(store, token))
        return err_set(err, ERR_CORRUPT,
                       "Same delegation token being added twice; invalid entry in fsimage or "
                       "editlogs");
    GROW(store->tokens, store->token_capacity, store->token_count + 1);
    struct token *mine = &store->tokens[store->token_count++];
    *mine = *token;
    mine->owner = mem_strdup(token->owner);
    mine->renewer = mem_strdup(token->renewer);
    mine->real_user = mem_strdup(token->real_user);
    store->sequence_last = MAX(store->sequence_last, token->sequence);
    return 0;
}

/* ---- edits ---- */

static char *get_text(struct cursor *in, struct arena *arena)
{
    int64_t size = cursor_hvlong(in);
    const uint8_t *text = size < 0 ? NULL : cursor_bytes(in, (size_t)size);

    if (!text) {
        in->bad = true;
        return (char *)(uintptr_t) "";
    }
    char *copy = arena_strndup(arena, (const char *)text, (size_t)size);
    if (strlen(copy) != (size_t)size) in->bad = true;
    return copy;
}

static int decode(const struct edit *edit, struct arena *arena, struct token *out, struct err *err)
{
    struct cursor in = cursor_of(edit->opaque, edit->opaque_size);

    *out = (struct token){.version = cursor_u8(&in)};
    out->owner = get_text(&in, arena);
    out->renewer = get_text(&in, arena);
    out->real_user = get_text(&in, arena);
    out->issue_ms = cursor_hvlong(&in);
    out->max_ms = cursor_hvlong(&in);
    out->sequence = (int32_t)cursor_hvlong(&in);
    out->key_id = (int32_t)cursor_hvlong(&in);
    out->expiry_ms = (int64_t)edit->value;
    return cursor_ok(&in) ? 0 : apply_misfit(edit, err, "its token cannot be read");
}

/* A token whose key is gone can never be checked: Apache passes over it, too. */
int apply_get_token(struct core *core, const struct edit *edit, struct err *err)
{
    struct arena arena = {0};
    struct token token;
    int rc = decode(edit, &arena, &token, err);

    if (!rc && find_key(core->tokens, token.key_id))
        rc = token_store_put(core->tokens, &token, err);
    arena_release(&arena);
    return rc;
}

int apply_renew_token(struct core *core, const struct edit *edit, struct err *err)
{
    struct arena arena = {0};
    struct token token, *mine;
    int rc = decode(edit, &arena, &token, err);

    mine = rc ? NULL : find_token(core->tokens, &token);
    if (mine) mine->expiry_ms = token.expiry_ms;
    arena_release(&arena);
    return rc;
}

int apply_cancel_token(struct core *core, const struct edit *edit, struct err *err)
{
    struct token_store *store = core->tokens;
    struct arena arena = {0};
    struct token token, *mine;
    int rc = decode(edit, &arena, &token, err);

    mine = rc ? NULL : find_token(store, &token);
    if (mine) {
        token_release(mine);
        memmove(mine, mine + 1,
                (size_t)(store->tokens + --store->token_count - mine) * sizeof *mine);
    }
    arena_release(&arena);
    return rc;
}

int apply_master_key(struct core *core, const struct edit *edit, struct err *err)
{
    struct cursor in = cursor_of(edit->opaque, edit->opaque_size);
    struct token_key key = {.id = (int32_t)cursor_hvlong(&in)};

    key.expiry_ms = cursor_hvlong(&in);
    int64_t size = cursor_hvlong(&in);
    key.has_bytes = size >= 0;
    if (size > 0) {
        key.bytes.data = (uint8_t *)(uintptr_t)cursor_bytes(&in, (size_t)size);
        key.bytes.length = (size_t)size;
    }
    if (!cursor_ok(&in)) return apply_misfit(edit, err, "its key cannot be read");
    token_store_put_key(core->tokens, &key);
    return 0;
}
