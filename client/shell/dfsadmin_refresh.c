/* dfsadmin's refresh calls, which have protocols of their own. */
#include <stdio.h>

#include "client/shell/dfsadmin.h"
#include "proto/admin.pb-c.h"

static int refresh(struct admin *admin, const char *protocol, const char *method,
                   const void *request, const ProtobufCMessageDescriptor *type, const char *done,
                   struct err *err)
{
    struct arena arena = {.chunks = NULL};
    ProtobufCMessage *response;
    struct fs *fs;
    int rc = admin_fs(admin, &fs, err);

    if (!rc) rc = fs_call_protocol(fs, protocol, method, request, type, &arena, &response, err);
    if (!rc) puts(done);
    arena_release(&arena);
    return rc;
}

int admin_refresh_service_acl(struct admin *admin, struct err *err)
{
    Pb__RefreshServiceAclRequest request = PB__REFRESH_SERVICE_ACL_REQUEST__INIT;

    return refresh(admin, "org.apache.hadoop.security.authorize.RefreshAuthorizationPolicyProtocol",
                   "refreshServiceAcl", &request, &pb__refresh_service_acl_response__descriptor,
                   "Refresh service acl successful", err);
}

int admin_refresh_user_to_groups_mappings(struct admin *admin, struct err *err)
{
    Pb__RefreshUserToGroupsMappingsRequest request =
        PB__REFRESH_USER_TO_GROUPS_MAPPINGS_REQUEST__INIT;

    return refresh(admin, "org.apache.hadoop.security.RefreshUserMappingsProtocol",
                   "refreshUserToGroupsMappings", &request,
                   &pb__refresh_user_to_groups_mappings_response__descriptor,
                   "Refresh user to groups mapping successful", err);
}

int admin_refresh_super_user_groups_configuration(struct admin *admin, struct err *err)
{
    Pb__RefreshSuperUserGroupsConfigurationRequest request =
        PB__REFRESH_SUPER_USER_GROUPS_CONFIGURATION_REQUEST__INIT;

    return refresh(admin, "org.apache.hadoop.security.RefreshUserMappingsProtocol",
                   "refreshSuperUserGroupsConfiguration", &request,
                   &pb__refresh_super_user_groups_configuration_response__descriptor,
                   "Refresh super user groups configuration successful", err);
}

int admin_refresh_call_queue(struct admin *admin, struct err *err)
{
    Pb__RefreshCallQueueRequest request = PB__REFRESH_CALL_QUEUE_REQUEST__INIT;

    return refresh(admin, "org.apache.hadoop.ipc.RefreshCallQueueProtocol", "refreshCallQueue",
                   &request, &pb__refresh_call_queue_response__descriptor,
                   "Refresh call queue successful", err);
}

/* RefreshResponse.toString; one failure is the exit code, several make it -1. */
static int print_responses(const Pb__RefreshResponse *response)
{
    int code = 0;

    puts("Refresh Responses:\n");
    for (size_t i = 0; i < response->n_responses; i++) {
        const Pb__GenericRefreshResponse *one = response->responses[i];
        if (one->sendername && *one->sendername) printf("%s: ", one->sendername);
        if (one->usermessage && *one->usermessage) fputs(one->usermessage, stdout);
        printf(" (exit %d)\n", one->exitstatus);
        if (!one->exitstatus) continue;
        code = code ? EXIT_USAGE : one->exitstatus & 255;
    }
    return code;
}

int admin_refresh(struct admin *admin, struct err *err)
{
    Pb__RefreshRequest request = PB__REFRESH_REQUEST__INIT;
    Pb__RefreshResponse *response;
    struct arena arena = {.chunks = NULL};
    const char *address = args_shift(&admin->args);
    struct fs *fs;
    int rc = admin_fs(admin, &fs, err);

    if (rc) return rc;
    request.identifier = (char *)args_shift(&admin->args);
    request.args = (char **)admin->args.items;
    request.n_args = admin->args.count;
    rc = fs_call_datanode(fs, address, "org.apache.hadoop.ipc.GenericRefreshProtocol", "refresh",
                          &request, &pb__refresh_response__descriptor, &arena, &response, err);
    if (!rc)
        admin->exit_code = print_responses(response);
    else
        puts("Failed to get response.\n");
    arena_release(&arena);
    return rc;
}
