/* dfsadmin's commands for one datanode ("host:ipc_port"), and -reconfig. */
#include <stdio.h>
#include <strings.h>

#include "client/shell/command.h"
#include "client/shell/dfsadmin.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/units.h"
#include "proto/client_datanode.pb-c.h"

#define RECONFIGURATION_PROTOCOL "org.apache.hadoop.hdfs.protocol.ReconfigurationProtocol"

/* NetUtils.createSocketAddr's complaint. */
static int check_address(const char *address, struct err *err)
{
    struct net_addr parsed;
    struct err ignored;

    if (!net_parse(address, -1, &parsed, &ignored)) return 0;
    return command_illegal(err, "Does not contain a valid host:port authority: %s", address);
}

static int call(struct admin *admin, const char *address, const char *protocol, const char *method,
                const void *request, const ProtobufCMessageDescriptor *type, struct arena *arena,
                void *response, struct err *err)
{
    struct fs *fs;
    int rc = check_address(address, err);

    if (!rc) rc = admin_fs(admin, &fs, err);
    return rc ? rc
              : fs_call_datanode(fs, address, protocol, method, request, type, arena, response,
                                 err);
}

/* What these commands say about any failure. */
static int unreachable(int rc, struct err *err)
{
    char text[ERR_TEXT_MAX];

    if (rc >= 0) return rc;
    admin_nested(err, text, sizeof text);
    return err_set(err, rc, "Datanode unreachable. %.1900s", text);
}

int admin_get_datanode_info(struct admin *admin, struct err *err)
{
    Pb__GetDatanodeInfoRequest request = PB__GET_DATANODE_INFO_REQUEST__INIT;
    Pb__GetDatanodeInfoResponse *response;
    struct arena arena = {.chunks = NULL};
    int rc = call(admin, admin->args.items[0], NULL, "getDatanodeInfo", &request,
                  &pb__get_datanode_info_response__descriptor, &arena, &response, err);

    if (!rc)
        printf("Uptime: %" PRIu64 ", Software version: %s, Config version: %s\n",
               response->localinfo->uptime, response->localinfo->softwareversion,
               response->localinfo->configversion);
    arena_release(&arena);
    return unreachable(rc, err);
}

static void print_volume(const Pb__DatanodeVolumeInfo *volume)
{
    char text[UNITS_TEXT_MAX];

    printf("\nDirectory: %s\nStorageType: %s", volume->path,
           fs_storage_type_name((int)volume->storagetype));
    printf("\nCapacity Used: %" PRIu64 "(%s)", volume->usedspace,
           units_bytes((int64_t)volume->usedspace, text));
    printf("\nCapacity Left: %" PRIu64 "(%s)", volume->freespace,
           units_bytes((int64_t)volume->freespace, text));
    printf("\nCapacity Reserved: %" PRIu64 "(%s)", volume->reservedspace,
           units_bytes((int64_t)volume->reservedspace, text));
    printf("\nReserved Space for Replicas: %" PRIu64 "(%s)", volume->reservedspaceforreplicas,
           units_bytes((int64_t)volume->reservedspaceforreplicas, text));
    printf("\nBlocks: %" PRIu64 "\n", volume->numblocks);
}

int admin_get_volume_report(struct admin *admin, struct err *err)
{
    Pb__GetVolumeReportRequest request = PB__GET_VOLUME_REPORT_REQUEST__INIT;
    Pb__GetVolumeReportResponse *response;
    struct arena arena = {.chunks = NULL};
    int rc = call(admin, admin->args.items[0], NULL, "getVolumeReport", &request,
                  &pb__get_volume_report_response__descriptor, &arena, &response, err);

    if (!rc) {
        printf("Active Volumes : %zu\n", response->n_volumeinfo);
        for (size_t i = 0; i < response->n_volumeinfo; i++) print_volume(response->volumeinfo[i]);
    }
    arena_release(&arena);
    return rc;
}

int admin_get_balancer_bandwidth(struct admin *admin, struct err *err)
{
    Pb__GetBalancerBandwidthRequest request = PB__GET_BALANCER_BANDWIDTH_REQUEST__INIT;
    Pb__GetBalancerBandwidthResponse *response;
    struct arena arena = {.chunks = NULL};
    int rc = call(admin, admin->args.items[0], NULL, "getBalancerBandwidth", &request,
                  &pb__get_balancer_bandwidth_response__descriptor, &arena, &response, err);

    if (!rc) printf("Balancer bandwidth is %" PRIu64 " bytes per second.\n", response->bandwidth);
    arena_release(&arena);
    return unreachable(rc, err);
}

int admin_refresh_namenodes(struct admin *admin, struct err *err)
{
    Pb__RefreshNamenodesRequest request = PB__REFRESH_NAMENODES_REQUEST__INIT;
    Pb__RefreshNamenodesResponse *response;
    struct arena arena = {.chunks = NULL};
    int rc = call(admin, admin->args.items[0], NULL, "refreshNamenodes", &request,
                  &pb__refresh_namenodes_response__descriptor, &arena, &response, err);

    arena_release(&arena);
    return rc;
}

int admin_delete_block_pool(struct admin *admin, struct err *err)
{
    Pb__DeleteBlockPoolRequest request = PB__DELETE_BLOCK_POOL_REQUEST__INIT;
    Pb__DeleteBlockPoolResponse *response;
    struct arena arena = {.chunks = NULL};
    int rc = check_address(admin->args.items[0], err);

    if (rc) return rc;
    if (admin->args.count == 3 && !str_eq(admin->args.items[2], "force")) return admin_usage(admin);
    request.blockpool = (char *)admin->args.items[1];
    request.force = admin->args.count == 3;
    rc = call(admin, admin->args.items[0], NULL, "deleteBlockPool", &request,
              &pb__delete_block_pool_response__descriptor, &arena, &response, err);
    arena_release(&arena);
    return rc;
}

int admin_shutdown_datanode(struct admin *admin, struct err *err)
{
    Pb__ShutdownDatanodeRequest request = PB__SHUTDOWN_DATANODE_REQUEST__INIT;
    Pb__ShutdownDatanodeResponse *response;
    struct arena arena = {.chunks = NULL};
    int rc = check_address(admin->args.items[0], err);

    if (rc) return rc;
    if (admin->args.count == 2 && strcasecmp(admin->args.items[1], "upgrade"))
        return admin_usage(admin);
    request.forupgrade = admin->args.count == 2;
    rc = call(admin, admin->args.items[0], NULL, "shutdownDatanode", &request,
              &pb__shutdown_datanode_response__descriptor, &arena, &response, err);
    if (!rc) printf("Submitted a shutdown request to datanode %s\n", admin->args.items[0]);
    arena_release(&arena);
    return rc;
}

int admin_evict_writers(struct admin *admin, struct err *err)
{
    Pb__EvictWritersRequest request = PB__EVICT_WRITERS_REQUEST__INIT;
    Pb__EvictWritersResponse *response;
    struct arena arena = {.chunks = NULL};
    int rc = call(admin, admin->args.items[0], NULL, "evictWriters", &request,
                  &pb__evict_writers_response__descriptor, &arena, &response, err);

    if (!rc) printf("Requested writer eviction to datanode %s\n", admin->args.items[0]);
    arena_release(&arena);
    return unreachable(rc, err);
}

static int fail(struct admin *admin)
{
    admin->exit_code = 1;
    return 0;
}

int admin_trigger_block_report(struct admin *admin, struct err *err)
{
    Pb__TriggerBlockReportRequest request = PB__TRIGGER_BLOCK_REPORT_REQUEST__INIT;
    Pb__TriggerBlockReportResponse *response;
    struct arena arena = {.chunks = NULL};
    const char *namenode, *address;
    char text[ERR_TEXT_MAX];
    int rc = args_pop_value(&admin->args, "-namenode", &namenode, err);

    if (rc) return rc;
    request.incremental = args_pop_option(&admin->args, "-incremental");
    request.nnaddress = (char *)namenode;
    address = args_pop_plain(&admin->args);
    if (!address) {
        fputs("You must specify a host:port pair.\n", stderr);
        return fail(admin);
    }
    if (admin->args.count) {
        fputs("Can't understand arguments:", stderr);
        for (size_t i = 0; i < admin->args.count; i++) fprintf(stderr, " %s", admin->args.items[i]);
        fputc('\n', stderr);
        return fail(admin);
    }
    rc = call(admin, address, NULL, "triggerBlockReport", &request,
              &pb__trigger_block_report_response__descriptor, &arena, &response, err);
    arena_release(&arena);
    if (rc > 0) return rc;
    if (rc) {
        fprintf(stderr, "triggerBlockReport error: %s\n", admin_nested(err, text, sizeof text));
        return fail(admin);
    }
    printf("Triggering %s block report on %s%s%s.\n",
           request.incremental ? "an incremental" : "a full", address,
           namenode ? " to namenode " : "", namenode ? namenode : "");
    return 0;
}

/* ---- -reconfig: for one address; each prints its own errors and answers its exit code ---- */

typedef int reconfig_op(struct admin *admin, const char *protocol, const char *address);

static int reconfig_failed(const char *what, const char *address, const struct err *err)
{
    char text[ERR_TEXT_MAX];

    fflush(stdout);
    fprintf(stderr, "Node [%s] %s: %s.\n", address, what, admin_nested(err, text, sizeof text));
    return 1;
}

static int reconfig_start(struct admin *admin, const char *protocol, const char *address)
{
    Pb__StartReconfigurationRequest request = PB__START_RECONFIGURATION_REQUEST__INIT;
    Pb__StartReconfigurationResponse *response;
    struct arena arena = {.chunks = NULL};
    struct err err = ERR_INIT;
    int rc = call(admin, address, protocol, "startReconfiguration", &request,
                  &pb__start_reconfiguration_response__descriptor, &arena, &response, &err);

    arena_release(&arena);
    if (rc) return reconfig_failed("reconfiguring", address, &err);
    printf("Started reconfiguration task on node [%s].\n", address);
    return 0;
}

static void print_change(const Pb__GetReconfigurationStatusConfigChange *change)
{
    const char *value = change->newvalue ? change->newvalue : "null";

    printf("%s property %s\n\tFrom: \"%s\"\n\tTo: \"%s\"\n",
           change->errormessage ? "FAILED: Change" : "SUCCESS: Changed", change->name,
           change->oldvalue, value);
    if (change->errormessage) printf("\tError: %s.\n", change->errormessage);
}

static int reconfig_status(struct admin *admin, const char *protocol, const char *address)
{
    Pb__GetReconfigurationStatusRequest request = PB__GET_RECONFIGURATION_STATUS_REQUEST__INIT;
    Pb__GetReconfigurationStatusResponse *response;
    struct arena arena = {.chunks = NULL};
    struct err err = ERR_INIT;
    char date[UNITS_TEXT_MAX];
    int rc = call(admin, address, protocol, "getReconfigurationStatus", &request,
                  &pb__get_reconfiguration_status_response__descriptor, &arena, &response, &err);

    if (rc) {
        arena_release(&arena);
        return reconfig_failed("reloading configuration", address, &err);
    }
    printf("Reconfiguring status for node [%s]: ", address);
    if (!response->starttime) {
        puts("no task was found.");
    } else {
        printf("started at %s", date_text(response->starttime, DATE_JAVA, false, date));
        if (!response->has_endtime || !response->endtime)
            puts(" and is still running.");
        else
            printf(" and finished at %s.\n", date_text(response->endtime, DATE_JAVA, false, date));
        for (size_t i = 0; i < response->n_changes; i++) print_change(response->changes[i]);
    }
    arena_release(&arena);
    return 0;
}

static int reconfig_properties(struct admin *admin, const char *protocol, const char *address)
{
    Pb__ListReconfigurablePropertiesRequest request =
        PB__LIST_RECONFIGURABLE_PROPERTIES_REQUEST__INIT;
    Pb__ListReconfigurablePropertiesResponse *response;
    struct arena arena = {.chunks = NULL};
    struct err err = ERR_INIT;
    int rc =
        call(admin, address, protocol, "listReconfigurableProperties", &request,
             &pb__list_reconfigurable_properties_response__descriptor, &arena, &response, &err);

    if (!rc) {
        printf("Node [%s] Reconfigurable properties:\n", address);
        for (size_t i = 0; i < response->n_name; i++) puts(response->name[i]);
    }
    arena_release(&arena);
    return rc ? reconfig_failed("reconfiguration", address, &err) : 0;
}

/* One after the other for all live or decommissioning datanodes. */
static int reconfig_many(struct admin *admin, reconfig_op *op, bool live, const char *what,
                         struct err *err)
{
    struct fs_datanodes *nodes;
    unsigned good = 0, bad = 0;
    struct fs *fs;
    int rc = admin_fs(admin, &fs, err);

    if (!rc)
        rc = fs_datanode_report(fs, live ? FS_DATANODES_LIVE : FS_DATANODES_DECOMMISSIONING, &nodes,
                                err);
    if (rc) return rc;
    for (size_t i = 0; i < nodes->count; i++) {
        char *address = mem_printf("%s:%u", nodes->nodes[i].ip, nodes->nodes[i].ipc_port);
        if (op(admin, NULL, address))
            bad++;
        else
            good++;
        mem_free(address);
    }
    fs_datanodes_free(nodes);
    printf("%s successful on %u nodes, failed on %u nodes.\n", what, good, bad);
    admin->exit_code = bad ? 1 : 0;
    return 0;
}

int admin_reconfig(struct admin *admin, struct err *err)
{
    const char *type = admin->args.items[0], *address = admin->args.items[1],
               *word = admin->args.items[2];
    bool datanode = str_eq(type, "datanode"), live = str_eq(address, "livenodes");
    reconfig_op *op = str_eq(word, "start")        ? reconfig_start
                      : str_eq(word, "status")     ? reconfig_status
                      : str_eq(word, "properties") ? reconfig_properties
                                                   : NULL;

    if (!op) {
        fprintf(stderr, "Unknown operation: %s\n", word);
        admin->exit_code = EXIT_USAGE;
        return 0;
    }
    if (op != reconfig_properties && (live || str_eq(address, "decomnodes"))) {
        if (datanode)
            return reconfig_many(admin, op, live,
                                 op == reconfig_start ? "Starting of reconfiguration task"
                                                      : "Retrieval of reconfiguration status",
                                 err);
        fputs("Only datanode type supports reconfiguration in bulk.\n", stderr);
        return fail(admin);
    }
    if (!datanode && !str_eq(type, "namenode")) {
        fprintf(stderr, "Node type %s does not support reconfiguration.\n", type);
        return fail(admin);
    }
    admin->exit_code = op(admin, datanode ? NULL : RECONFIGURATION_PROTOCOL, address);
    return 0;
}
