#include "namenode/ec_policy.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "namenode/apply_tree.h"
#include "namenode/core.h"
#include "namenode/edit_codec.h"
#include "namenode/xattr.h"

enum { CELL_SIZE = 1024 * 1024, OPTIONS_MAX = 1024 };

#define DISABLED PB__ERASURE_CODING_POLICY_STATE__DISABLED
#define ENABLED  PB__ERASURE_CODING_POLICY_STATE__ENABLED
#define REMOVED  PB__ERASURE_CODING_POLICY_STATE__REMOVED

/* SystemErasureCodingPolicies: the place is the id. */
static const struct {
    const char *codec;
    uint8_t data, parity;
} SYSTEM[] = {
    [1] = {"rs", 6, 3},  [2] = {"rs", 3, 2},  [3] = {"rs-legacy", 6, 3},
    [4] = {"xor", 2, 1}, [5] = {"rs", 10, 4},
};

bool ec_codec_is_known(const char *codec)
{
    return str_eq(codec, "rs") || str_eq(codec, "rs-legacy") || str_eq(codec, "xor");
}

char *ec_policy_compose_name(const Pb__ECSchema *schema, uint32_t cell_size, struct arena *arena)
{
    char *name = arena_printf(arena, "%s-%u-%u-%uk", schema->codecname, schema->dataunits,
                              schema->parityunits, cell_size / 1024);

    for (size_t i = 0; schema->codecname[i]; i++)
        name[i] = (char)toupper((unsigned char)schema->codecname[i]);
    return name;
}

/* ---- life ---- */

/* The message with everything that it points to. */
static void copy_policy(struct ec_policy *policy, const Pb__ECSchema *schema, uint32_t cell_size,
                        const char *name)
{
    struct arena *arena = &policy->texts;
    Pb__ECSchema *copy = ARENA_NEW(arena, Pb__ECSchema);

    pb__ecschema__init(copy);
    copy->codecname = arena_strdup(arena, schema->codecname);
    copy->dataunits = schema->dataunits;
    copy->parityunits = schema->parityunits;
    copy->options = ARENA_ARRAY(arena, Pb__ECSchemaOptionEntry *, schema->n_options);
    copy->n_options = schema->n_options;
    for (size_t i = 0; i < schema->n_options; i++) {
        copy->options[i] = ARENA_NEW(arena, Pb__ECSchemaOptionEntry);
        pb__ecschema_option_entry__init(copy->options[i]);
        copy->options[i]->key = arena_strdup(arena, schema->options[i]->key);
        copy->options[i]->value = arena_strdup(arena, schema->options[i]->value);
    }
    pb__erasure_coding_policy__init(&policy->message);
    policy->message.name =
        name ? arena_strdup(arena, name) : ec_policy_compose_name(schema, cell_size, arena);
    policy->message.schema = copy;
    policy->message.cellsize = cell_size;
    policy->message.has_cellsize = policy->message.has_state = true;
    policy->message.id = policy->id;
}

static struct ec_policy *place(struct ec_policies *policies, uint8_t id, const Pb__ECSchema *schema,
                               uint32_t cell_size, const char *name)
{
    struct ec_policy *policy = &policies->by_id[id];

    arena_clear(&policy->texts);
    policy->id = id;
    copy_policy(policy, schema, cell_size, name);
    policies->id_last = MAX(policies->id_last, id);
    return policy;
}

static void set_state(struct ec_policy *policy, Pb__ErasureCodingPolicyState state)
{
    policy->state = policy->message.state = state;
    policy->enabled = state == ENABLED;
}

struct ec_policies *ec_policies_new(void)
{
    struct ec_policies *policies = NEW(struct ec_policies);

    for (int id = 1; id <= EC_POLICY_SYSTEM_MAX; id++) {
        Pb__ECSchema schema = PB__ECSCHEMA__INIT;
        schema.codecname = (char *)(uintptr_t)SYSTEM[id].codec;
        schema.dataunits = SYSTEM[id].data;
        schema.parityunits = SYSTEM[id].parity;
        set_state(place(policies, (uint8_t)id, &schema, CELL_SIZE, NULL), DISABLED);
    }
    return policies;
}

void ec_policies_free(struct ec_policies *policies)
{
    if (!policies) return;
    for (size_t id = 0; id <= EC_POLICY_ID_MAX; id++) arena_release(&policies->by_id[id].texts);
    mem_free(policies);
}

/* ---- finding ---- */

struct ec_policy *ec_policy_at(struct ec_policies *policies, uint8_t id)
{
    return id && id <= policies->id_last && policies->by_id[id].id ? &policies->by_id[id] : NULL;
}

struct ec_policy *ec_policy_find(struct ec_policies *policies, const char *name)
{
    for (uint8_t id = 1; id <= policies->id_last; id++)
        if (policies->by_id[id].id && str_eq(policies->by_id[id].message.name, name))
            return &policies->by_id[id];
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct ec_policy *const *)a)->message.name,
                  (*(struct ec_policy *const *)b)->message.name);
}

size_t ec_policies_by_name(struct ec_policies *policies,
                           struct ec_policy *list[EC_POLICY_ID_MAX + 1])
{
    size_t count = 0;

    for (uint8_t id = 1; id <= policies->id_last; id++)
        if (policies->by_id[id].id) list[count++] = &policies->by_id[id];
    qsort(list, count, sizeof *list, by_name);
    return count;
}

static const char *names(struct ec_policies *policies, bool enabled_only, struct arena *arena)
{
    struct ec_policy *list[EC_POLICY_ID_MAX + 1];
    size_t count = ec_policies_by_name(policies, list);
    const char *text = "";

    for (size_t i = 0; i < count; i++)
        if (list[i]->enabled || !enabled_only)
            text = arena_printf(arena, "%s%s%s", text, *text ? ", " : "", list[i]->message.name);
    return text;
}

int ec_policy_check_enabled(struct ec_policies *policies, const char **name, struct arena *arena,
                            struct err *err)
{
    const struct ec_policy *policy = ec_policy_find(policies, *name);

    if (policy && policy->enabled) return 0;
    if (strcasecmp(*name, EC_REPLICATION_NAME) == 0) {
        *name = EC_REPLICATION_NAME;
        return 0;
    }
    return err_set(
        err, ERR_HADOOP_ARGUMENT,
        "Policy '%s' does not match any enabled erasure coding policies: [%s]. An erasure "
        "coding policy can be enabled by enableErasureCodingPolicy API.",
        *name, names(policies, true, arena));
}

/* The policy that a directory's attribute names; *set tells whether it has the attribute. */
static const struct ec_policy *policy_of_dir(const struct core *core, const struct inode *dir,
                                             bool *set)
{
    const struct xattrs *xattrs = inode_xattrs(core->tree.inodes, dir);
    const struct xattr *x = xattrs_find(xattrs, XATTR_SYSTEM, XATTR_EC_POLICY);
    char name[256];

    *set = x != NULL;
    if (!x || x->size < 4) return NULL;
    uint32_t length = get_be32(x->value);
    if (length > x->size - 4 || length >= sizeof name) return NULL;
    memcpy(name, x->value + 4, length);
    name[length] = '\0';
    return ec_policy_find(core->ec_policies, name);
}

const struct ec_policy *ec_policy_effective(const struct core *core, const struct inode *inode)
{
    bool set;

    if (inode_is_symlink(inode)) return NULL;
    if (inode_is_file(inode)) return ec_policy_at(core->ec_policies, inode_ec_policy(inode));
    for (; inode; inode = inode_parent(core->tree.inodes, inode)) {
        if (!inode->has_xattrs) continue;
        const struct ec_policy *policy = policy_of_dir(core, inode, &set);
        if (set) return policy;
    }
    return NULL;
}

Pb__ErasureCodingPolicy *ec_policy_message(const struct ec_policy *policy, struct arena *arena)
{
    Pb__ErasureCodingPolicy *message = arena_copy(arena, &policy->message, sizeof policy->message);

    message->has_state = false;
    if (policy->id <= EC_POLICY_SYSTEM_MAX) {
        message->name = NULL;
        message->schema = NULL;
        message->has_cellsize = false;
    }
    return message;
}

int ec_policies_enable_default(struct ec_policies *policies, const char *name, struct err *err)
{
    struct arena arena = {0};
    int rc = 0;

    if (str_empty(name)) return 0;
    struct ec_policy *policy = ec_policy_find(policies, name);
    if (policy) {
        policies->standard = policy->id;
        policy->enabled = true;
        policy->message.state = ENABLED;
    } else {
        rc = err_set(err, ERR_IO,
                     "EC policy '%s' specified at dfs.namenode.ec.system.default.policy is not a "
                     "valid policy. Please choose from list of available policies: [%s]",
                     name, names(policies, false, &arena));
    }
    arena_release(&arena);
    return rc;
}

uint64_t ec_group_space(const struct ec_policy *policy, uint64_t length)
{
    const Pb__ECSchema *schema = policy->message.schema;
    uint64_t cell = policy->message.cellsize, stripe = cell * schema->dataunits;
    uint64_t rest = length % stripe;

    return length + (length / stripe * cell + MIN(rest, cell)) * schema->parityunits;
}

/* ---- images ---- */

static bool schema_is_sound(const Pb__ECSchema *schema, uint32_t cell_size)
{
    return schema && schema->codecname && schema->dataunits && schema->parityunits &&
           schema->dataunits <= EC_POLICY_ID_MAX && schema->parityunits <= EC_POLICY_ID_MAX &&
           schema->n_options <= OPTIONS_MAX && cell_size && cell_size <= INT32_MAX &&
           cell_size % 1024 == 0;
}

int ec_policy_load(struct ec_policies *policies, const Pb__ErasureCodingPolicy *message,
                   struct err *err)
{
    uint8_t id = (uint8_t)message->id;

    if (message->id == 0 || message->id > EC_POLICY_ID_MAX)
        return err_set(err, ERR_CORRUPT, "an erasure coding policy has the impossible id %u",
                       message->id);
    if (!message->has_state)
        return err_set(err, ERR_CORRUPT, "the erasure coding policy %u has no state", message->id);
    if (id > EC_POLICY_SYSTEM_MAX) {
        if (str_empty(message->name) || !message->has_cellsize ||
            !schema_is_sound(message->schema, message->cellsize))
            return err_set(err, ERR_CORRUPT,
                           "the erasure coding policy %u lacks name, schema or cell size", id);
        place(policies, id, message->schema, message->cellsize, message->name);
    }
    set_state(&policies->by_id[id], message->state);
    return 0;
}

/* Of Apache's own only the id and the state are written. */
void ec_policy_fill(const struct ec_policy *policy, Pb__ErasureCodingPolicy *out)
{
    *out = policy->message;
    out->state = policy->state;
    if (policy->id > EC_POLICY_SYSTEM_MAX) return;
    out->name = NULL;
    out->schema = NULL;
    out->has_cellsize = false;
}

/* ---- edits ---- */

void ec_policy_encode(const Pb__ErasureCodingPolicy *message, struct buf *out)
{
    const Pb__ECSchema *schema = message->schema;

    edit_put_string(out, schema->codecname);
    buf_put_u32(out, schema->dataunits);
    buf_put_u32(out, schema->parityunits);
    buf_put_u32(out, message->cellsize);
    buf_put_u32(out, (uint32_t)schema->n_options);
    for (size_t i = 0; i < schema->n_options; i++) {
        edit_put_string(out, schema->options[i]->key);
        edit_put_string(out, schema->options[i]->value);
    }
}

static bool decode(const struct edit *edit, struct arena *arena, Pb__ECSchema *schema,
                   uint32_t *cell_size)
{
    struct cursor in = cursor_of(edit->opaque, edit->opaque_size);

    pb__ecschema__init(schema);
    schema->codecname = edit_get_string(&in, arena);
    schema->dataunits = cursor_u32(&in);
    schema->parityunits = cursor_u32(&in);
    *cell_size = cursor_u32(&in);
    uint32_t count = cursor_u32(&in);
    if (count > OPTIONS_MAX) return false;
    schema->options = ARENA_ARRAY(arena, Pb__ECSchemaOptionEntry *, count);
    for (; schema->n_options < count && cursor_ok(&in); schema->n_options++) {
        Pb__ECSchemaOptionEntry *entry = ARENA_NEW(arena, Pb__ECSchemaOptionEntry);
        pb__ecschema_option_entry__init(entry);
        entry->key = edit_get_string(&in, arena);
        entry->value = edit_get_string(&in, arena);
        schema->options[schema->n_options] = entry;
    }
    return cursor_ok(&in) && schema_is_sound(schema, *cell_size);
}

/* The record names no id: it is the next, as it was when it was logged. One that is there already stays as it is. */
int apply_add_ec_policy(struct core *core, const struct edit *edit, struct err *err)
{
    struct ec_policies *policies = core->ec_policies;
    struct arena arena = {0};
    Pb__ECSchema schema;
    uint32_t cell_size;
    int rc = 0;

    if (!decode(edit, &arena, &schema, &cell_size))
        rc = apply_misfit(edit, err, "its erasure coding policy cannot be read");
    else if (ec_policy_find(policies, ec_policy_compose_name(&schema, cell_size, &arena)))
        rc = 0;
    else if (policies->id_last == EC_POLICY_ID_MAX)
        rc = apply_misfit(edit, err, "there are too many erasure coding policies");
    else
        set_state(place(policies, MAX((uint8_t)(policies->id_last + 1), EC_POLICY_USER_FIRST),
                        &schema, cell_size, NULL),
                  DISABLED);
    arena_release(&arena);
    return rc;
}

static int change_state(struct core *core, const struct edit *edit,
                        Pb__ErasureCodingPolicyState state, struct err *err)
{
    struct ec_policy *policy =
        edit->destination ? ec_policy_find(core->ec_policies, edit->destination) : NULL;

    if (!policy) return apply_misfit(edit, err, "there is no such erasure coding policy");
    set_state(policy, state);
    return 0;
}

int apply_enable_ec_policy(struct core *core, const struct edit *edit, struct err *err)
{
    return change_state(core, edit, ENABLED, err);
}

int apply_disable_ec_policy(struct core *core, const struct edit *edit, struct err *err)
{
    return change_state(core, edit, DISABLED, err);
}

int apply_remove_ec_policy(struct core *core, const struct edit *edit, struct err *err)
{
    return change_state(core, edit, REMOVED, err);
}
