/*
 * One replica of a block on this datanode, as the map keeps it, and the part that only replicas
 * under change have. Answers Hadoop's ReplicaInfo and its kin.
 *
 *   (none) --create--> RBW --finalize--> FINALIZED --append--> RBW                writers
 *   (none) --create--> TEMPORARY --finalize--> FINALIZED, or --convert--> RBW     copies
 *   RBW on disk --restart--> RWR, or RBW when the restart was announced;  TEMPORARY --restart--> gone
 *   FINALIZED, RBW, RWR --init recovery--> RUR --update--> FINALIZED
 *
 * The transitions are in dataset.h.
 */
#ifndef DATANODE_REPLICA_H
#define DATANODE_REPLICA_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base.h"

/* Hadoop's numbers: they travel in reports. */
enum replica_state {
    REPLICA_FINALIZED = 0,
    REPLICA_RBW = 1,       /* being written by a pipeline */
    REPLICA_RWR = 2,       /* was being written when the datanode went down */
    REPLICA_RUR = 3,       /* under recovery: its length is being agreed on */
    REPLICA_TEMPORARY = 4, /* a copy that has not arrived whole; never reported */
    REPLICA_STATES,
};

enum { REPLICA_VOLUMES_MAX = 1024 };

const char *replica_state_name(enum replica_state state);

struct replica_open;

/* Copied in and out of the map by value: whoever looked one up holds no reference to anything but
 * `open`, and to that only as replica_map says. */
struct replica {
    int64_t id;
    uint64_t gs;
    union {
        int64_t length;            /* FINALIZED, RWR */
        struct replica_open *open; /* RBW, TEMPORARY, RUR */
    };
    uint16_t volume; /* index */
    uint8_t state;   /* enum replica_state */
    uint8_t unused[5];
};
_Static_assert(sizeof(struct replica) == 32, "millions of these are in memory");

static inline bool replica_is_open(const struct replica *replica)
{
    return replica->state == REPLICA_RBW || replica->state == REPLICA_TEMPORARY ||
           replica->state == REPLICA_RUR;
}

/*
 * The changing part. Counted references: one is the map's, one each user's. Everything but
 * `references` and the constants is guarded by `lock`, which is also held across the file work of a
 * transition; so whoever has it sees files and fields agree. Lock order: this, then the map's.
 */
struct replica_open {
    atomic_int references;
    int64_t id; /* constant */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the writer left, or more bytes were acked */

    bool gone; /* no longer what the map holds for the id: look it up again */
    uint64_t gs;
    uint16_t volume;
    uint8_t state;    /* as in the map */
    uint8_t original; /* RUR: what it was */
    uint64_t recovery_id;

    int64_t received;  /* announced by packets */
    int64_t on_disk;   /* written, with checksums */
    int64_t acked;     /* by all downstream nodes: what readers may see */
    int64_t promised;  /* bytes of the volume held back for this block */
    int64_t accounted; /* bytes that the volume's use includes for it */
    uint32_t last_crc; /* of the partial chunk that ends at on_disk, if there is one */

    bool has_writer; /* a thread is receiving into this */
    bool stop;       /* the writer shall leave */
    int writer_fd;   /* its connection, to wake it; -1 */
};

struct replica_open *replica_open_new(int64_t id, uint64_t gs, uint16_t volume,
                                      enum replica_state state);
void replica_open_get(struct replica_open *open);
void replica_open_put(struct replica_open *open); /* NULL is fine */

#endif
