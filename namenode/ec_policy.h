/*
 * Erasure coding policies (ErasureCodingPolicyManager): Apache's five own, with ids 1 to 5, and those that users added, from 64 on. What
 * an image says of a policy and what is in force may differ: the default policy is enabled by the settings, without being saved so.
 *
 * Core thread only; pure.
 */
#ifndef NAMENODE_EC_POLICY_H
#define NAMENODE_EC_POLICY_H

#include "common/buf.h"
#include "common/mem.h"
#include "namenode/edit.h"
#include "proto/hdfs.pb-c.h"

enum {
    EC_POLICY_REPLICATION =
        0, /* the policy that says: whole replicas, whatever the directory above says */
    EC_POLICY_SYSTEM_MAX = 5,
    EC_POLICY_USER_FIRST = 64,
    EC_POLICY_ID_MAX = 127,
    EC_GROUP_BLOCKS_MAX = 16, /* HdfsServerConstants.MAX_BLOCKS_IN_GROUP */
};
#define EC_REPLICATION_NAME "replication"

struct ec_policy {
    uint8_t id; /* 0: no policy has this place */
    bool enabled;
    Pb__ErasureCodingPolicyState state; /* as an image has it */
    Pb__ErasureCodingPolicy message;    /* complete, with the state in force */
    struct arena texts;                 /* the message's memory */
};

struct ec_policies {
    struct ec_policy by_id[EC_POLICY_ID_MAX + 1];
    uint8_t id_last;  /* the highest in use */
    uint8_t standard; /* the default policy's id; 0: none */
};

struct ec_policies *ec_policies_new(void); /* Apache's five, none enabled */
void ec_policies_free(struct ec_policies *policies);
/* Enables the policy that dfs.namenode.ec.system.default.policy names, after the image was loaded; "" is none. ERR_IO with Apache's text for
 * one that is not there. */
int ec_policies_enable_default(struct ec_policies *policies, const char *name,
                               struct err *err) MUST_CHECK;

struct ec_policy *ec_policy_find(struct ec_policies *policies,
                                 const char *name);                       /* NULL: unknown */
struct ec_policy *ec_policy_at(struct ec_policies *policies, uint8_t id); /* NULL: unknown */
/* All that there are, in the order of their names; answers how many. */
size_t ec_policies_by_name(struct ec_policies *policies,
                           struct ec_policy *list[EC_POLICY_ID_MAX + 1]);
/* As clients hear of one: of Apache's own the id alone. The parts are the policy's. */
Pb__ErasureCodingPolicy *ec_policy_message(const struct ec_policy *policy, struct arena *arena);
/* What holds for a file, or for what is made in a directory: its own, or the one of the nearest directory above that has one. NULL: whole
 * replicas. */
const struct ec_policy *ec_policy_effective(const struct core *core, const struct inode *inode);
/* ERR_HADOOP_ARGUMENT with Apache's text for a policy that is not enabled; *name becomes "replication" whatever its case was. */
int ec_policy_check_enabled(struct ec_policies *policies, const char **name, struct arena *arena,
                            struct err *err) MUST_CHECK;
/* "RS-6-3-1024k"; the lengths were checked. */
char *ec_policy_compose_name(const Pb__ECSchema *schema, uint32_t cell_size, struct arena *arena);
bool ec_codec_is_known(const char *codec);

/* Bytes on disk of a block group of so many bytes of data (StripedBlockUtil.spaceConsumedByStripedBlock). */
uint64_t ec_group_space(const struct ec_policy *policy, uint64_t length);

/* As an image has it. */
int ec_policy_load(struct ec_policies *policies, const Pb__ErasureCodingPolicy *message,
                   struct err *err) MUST_CHECK;
void ec_policy_fill(const struct ec_policy *policy, Pb__ErasureCodingPolicy *out);

/* What the record's bytes say; memory comes from the arena. */
void ec_policy_encode(const Pb__ErasureCodingPolicy *message, struct buf *out);

int apply_add_ec_policy(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_enable_ec_policy(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_disable_ec_policy(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;
int apply_remove_ec_policy(struct core *core, const struct edit *edit, struct err *err) MUST_CHECK;

#endif
