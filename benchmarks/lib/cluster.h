/*
 * A cluster's processes on this host, and what they cost: CPU time of this program, of the namenode
 * and of each datanode between two moments. Also the options that the programs on files share. Belongs
 * to one thread.
 */
#ifndef BENCHMARKS_LIB_CLUSTER_H
#define BENCHMARKS_LIB_CLUSTER_H

#include "benchmarks/lib/meter.h"
#include "client/fs.h"

enum { PROCESSES_MAX = 64 };

struct process {
    char name[24];  /* "client", "namenode", "datanode 50010" */
    pid_t pid;      /* 0: this one */
    int64_t cpu_ns; /* at the beginning, then what was used */
};

struct processes {
    struct process list[PROCESSES_MAX];
    size_t count;
};

/* The file system of `uri` (NULL: fs.defaultFS). Ends the program on an error. */
struct fs *cluster_connect(const char *uri);
/* Finds namenode and datanodes by their ports; those of other hosts are left out. */
void processes_find(struct processes *processes, struct fs *fs);
void processes_begin(struct processes *processes);
void processes_end(struct processes *processes); /* cpu_ns is what was used since begin */
int64_t processes_total_ns(const struct processes *processes);

/* Runs `body` on `threads` threads, numbers 0 …, and waits for them. Wall time in ns. */
int64_t run_threads(unsigned threads, void (*body)(unsigned number, void *context), void *context);

#endif
