#include "namenode/image_state.h"

#include "namenode/cache_pool.h"
#include "namenode/ec_policy.h"
#include "namenode/token_store.h"

/* ---- erasure coding policies ---- */

int image_load_ec_policies(struct core *core, const struct image_in *in, struct err *err)
{
    Pb__ErasureCodingSection *section = NULL;
    struct image_reader reader;
    struct arena arena = {0};
    int rc = image_reader_open(&reader, in, "ERASURE_CODING", err);

    if (!rc)
        rc = image_reader_next(&reader, &pb__erasure_coding_section__descriptor, &arena, &section,
                               err);
    if (rc > 0) rc = 0;
    for (size_t i = 0; section && i < section->n_policies && !rc; i++)
        rc = ec_policy_load(core->ec_policies, section->policies[i], err);
    image_reader_close(&reader);
    arena_release(&arena);
    return rc < 0 ? err_wrap(err, rc, "%s, section ERASURE_CODING", in->path) : 0;
}

void image_save_ec_policies(const struct core *core, struct image_out *out)
{
    Pb__ErasureCodingSection section = PB__ERASURE_CODING_SECTION__INIT;
    Pb__ErasureCodingPolicy messages[EC_POLICY_ID_MAX + 1], *list[EC_POLICY_ID_MAX + 1];

    for (uint8_t id = 1; id <= core->ec_policies->id_last; id++) {
        const struct ec_policy *policy = ec_policy_at(core->ec_policies, id);
        if (!policy) continue;
        ec_policy_fill(policy, &messages[id]);
        list[section.n_policies++] = &messages[id];
    }
    section.policies = list;
    image_out_put(out, &section.base);
    image_out_section(out, "ERASURE_CODING");
}

/* ---- cache pools and directives ---- */

/* The next message of a section that promised more: its end is damage. */
static int next_promised(struct image_reader *reader, const ProtobufCMessageDescriptor *type,
                         struct arena *arena, void *message, struct err *err)
{
    arena_clear(arena);
    int rc = image_reader_next(reader, type, arena, message, err);
    if (rc) return rc > 0 ? 0 : rc;
    return err_set(err, ERR_CORRUPT, "it ends too early");
}

static int load_pools(struct core *core, struct image_reader *reader, uint32_t count,
                      struct arena *arena, struct err *err)
{
    Pb__CachePoolInfo *info;
    int rc = 0;

    for (uint32_t i = 0; i < count && !rc; i++) {
        rc = next_promised(reader, &pb__cache_pool_info__descriptor, arena, &info, err);
        if (!rc) rc = cache_pool_load(core->cache, info, err);
    }
    return rc;
}

static int load_directives(struct core *core, struct image_reader *reader, uint32_t count,
                           struct arena *arena, struct err *err)
{
    Pb__CacheDirectiveInfo *info;
    int rc = 0;

    for (uint32_t i = 0; i < count && !rc; i++) {
        rc = next_promised(reader, &pb__cache_directive_info__descriptor, arena, &info, err);
        if (!rc) rc = cache_directive_load(core->cache, info, err);
    }
    return rc;
}

int image_load_cache(struct core *core, const struct image_in *in, struct err *err)
{
    Pb__CacheManagerSection *section = NULL;
    struct image_reader reader;
    struct arena arena = {0};
    int rc = image_reader_open(&reader, in, "CACHE_MANAGER", err);

    if (!rc)
        rc = image_reader_next(&reader, &pb__cache_manager_section__descriptor, &arena, &section,
                               err);
    if (rc > 0) {
        assert(section);
        uint32_t pools = section->numpools, directives = section->numdirectives;
        core->cache->next_id = section->nextdirectiveid;
        rc = load_pools(core, &reader, pools, &arena, err);
        if (!rc) rc = load_directives(core, &reader, directives, &arena, err);
    }
    image_reader_close(&reader);
    arena_release(&arena);
    return rc ? err_wrap(err, rc, "%s, section CACHE_MANAGER", in->path) : 0;
}

void image_save_cache(const struct core *core, struct image_out *out)
{
    const struct cache_manager *cache = core->cache;
    Pb__CacheManagerSection section = PB__CACHE_MANAGER_SECTION__INIT;

    section.nextdirectiveid = cache->next_id;
    section.numpools = (uint32_t)cache->pool_count;
    section.numdirectives = (uint32_t)cache->directive_count;
    image_out_put(out, &section.base);
    for (size_t i = 0; i < cache->pool_count; i++) {
        Pb__CachePoolInfo info;
        cache_pool_fill(cache->pools[i], &info);
        image_out_put(out, &info.base);
    }
    for (size_t i = 0; i < cache->directive_count; i++) {
        Pb__CacheDirectiveInfo info;
        Pb__CacheDirectiveInfoExpiration expiration;
        cache_directive_fill(cache->directives[i], &info, &expiration);
        image_out_put(out, &info.base);
    }
    image_out_section(out, "CACHE_MANAGER");
}

/* ---- tokens ---- */

static int load_keys(struct core *core, struct image_reader *reader, uint32_t count,
                     struct arena *arena, struct err *err)
{
    Pb__SecretManagerSection__DelegationKey *message;
    int rc = 0;

    for (uint32_t i = 0; i < count && !rc; i++) {
        rc = next_promised(reader, &pb__secret_manager_section__delegation_key__descriptor, arena,
                           &message, err);
        if (rc) break;
        struct token_key key = {
            .id = (int32_t)message->id,
            .expiry_ms = (int64_t)message->expirydate,
            .has_bytes = message->has_key,
            .bytes = {.data = message->key.data, .length = message->key.len},
        };
        token_store_put_key(core->tokens, &key);
    }
    return rc;
}

static char *text_or_empty(char *text)
{
    return text ? text : (char *)(uintptr_t) "";
}

static int load_tokens(struct core *core, struct image_reader *reader, uint32_t count,
                       struct arena *arena, struct err *err)
{
    Pb__SecretManagerSection__PersistToken *message;
    int rc = 0;

    for (uint32_t i = 0; i < count && !rc; i++) {
        rc = next_promised(reader, &pb__secret_manager_section__persist_token__descriptor, arena,
                           &message, err);
        if (rc) break;
        struct token token = {
            .version = (uint8_t)message->version,
            .owner = text_or_empty(message->owner),
            .renewer = text_or_empty(message->renewer),
            .real_user = text_or_empty(message->realuser),
            .issue_ms = (int64_t)message->issuedate,
            .max_ms = (int64_t)message->maxdate,
            .expiry_ms = (int64_t)message->expirydate,
            .sequence = (int32_t)message->sequencenumber,
            .key_id = (int32_t)message->masterkeyid,
        };
        rc = token_store_put(core->tokens, &token, err);
    }
    return rc;
}

int image_load_secrets(struct core *core, const struct image_in *in, struct err *err)
{
    Pb__SecretManagerSection *section = NULL;
    struct image_reader reader;
    struct arena arena = {0};
    int rc = image_reader_open(&reader, in, "SECRET_MANAGER", err);

    if (!rc)
        rc = image_reader_next(&reader, &pb__secret_manager_section__descriptor, &arena, &section,
                               err);
    if (rc > 0) {
        assert(section);
        uint32_t keys = section->numkeys, tokens = section->numtokens;
        core->tokens->key_id_last = (int32_t)section->currentid;
        core->tokens->sequence_last = (int32_t)section->tokensequencenumber;
        rc = load_keys(core, &reader, keys, &arena, err);
        if (!rc) rc = load_tokens(core, &reader, tokens, &arena, err);
    }
    image_reader_close(&reader);
    arena_release(&arena);
    return rc ? err_wrap(err, rc, "%s, section SECRET_MANAGER", in->path) : 0;
}

static void save_key(const struct token_key *key, struct image_out *out)
{
    Pb__SecretManagerSection__DelegationKey message =
        PB__SECRET_MANAGER_SECTION__DELEGATION_KEY__INIT;

    message.has_id = message.has_expirydate = true;
    message.id = (uint32_t)key->id;
    message.expirydate = (uint64_t)key->expiry_ms;
    message.has_key = key->has_bytes;
    message.key.data = key->bytes.data;
    message.key.len = key->bytes.length;
    image_out_put(out, &message.base);
}

static void save_token(const struct token *token, struct image_out *out)
{
    Pb__SecretManagerSection__PersistToken message =
        PB__SECRET_MANAGER_SECTION__PERSIST_TOKEN__INIT;

    message.owner = token->owner;
    message.renewer = token->renewer;
    message.realuser = token->real_user;
    message.has_issuedate = message.has_maxdate = message.has_expirydate = true;
    message.has_sequencenumber = message.has_masterkeyid = true;
    message.issuedate = (uint64_t)token->issue_ms;
    message.maxdate = (uint64_t)token->max_ms;
    message.sequencenumber = (uint32_t)token->sequence;
    message.masterkeyid = (uint32_t)token->key_id;
    message.expirydate = (uint64_t)token->expiry_ms;
    image_out_put(out, &message.base);
}

void image_save_secrets(const struct core *core, struct image_out *out)
{
    const struct token_store *store = core->tokens;
    Pb__SecretManagerSection section = PB__SECRET_MANAGER_SECTION__INIT;

    section.has_currentid = section.has_tokensequencenumber = true;
    section.has_numkeys = section.has_numtokens = true;
    section.currentid = (uint32_t)store->key_id_last;
    section.tokensequencenumber = (uint32_t)store->sequence_last;
    section.numkeys = (uint32_t)store->key_count;
    section.numtokens = (uint32_t)store->token_count;
    image_out_put(out, &section.base);
    for (size_t i = 0; i < store->key_count; i++) save_key(&store->keys[i], out);
    for (size_t i = 0; i < store->token_count; i++) save_token(&store->tokens[i], out);
    image_out_section(out, "SECRET_MANAGER");
}
