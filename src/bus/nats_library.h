/*
 * libnats, loaded when somebody needs it: who has no cluster needs no library. <nats/nats.h> is for
 * the types alone, so the binary names none of its functions.
 */
#ifndef PARTY_BUS_NATS_LIBRARY_H
#define PARTY_BUS_NATS_LIBRARY_H

#include <nats/nats.h>

#include "base/attributes.h"
#include "bus/bus.h"

/* The functions in use, by their names in the library. */
#define NATS_FUNCTIONS(FUNCTION)                      \
    FUNCTION(jsOptions_Init)                          \
    FUNCTION(jsPubAck_Destroy)                        \
    FUNCTION(jsStreamConfig_Init)                     \
    FUNCTION(jsStreamInfo_Destroy)                    \
    FUNCTION(jsCtx_Destroy)                           \
    FUNCTION(js_AddStream)                            \
    FUNCTION(js_GetLastMsg)                           \
    FUNCTION(js_GetMsg)                               \
    FUNCTION(js_GetStreamInfo)                        \
    FUNCTION(js_PublishMsg)                           \
    FUNCTION(js_PurgeStream)                          \
    FUNCTION(natsConnection_Close)                    \
    FUNCTION(natsConnection_Connect)                  \
    FUNCTION(natsConnection_Destroy)                  \
    FUNCTION(natsConnection_FlushTimeout)             \
    FUNCTION(natsConnection_GetMaxPayload)            \
    FUNCTION(natsConnection_JetStream)                \
    FUNCTION(natsConnection_Publish)                  \
    FUNCTION(natsConnection_SubscribeSync)            \
    FUNCTION(natsMsgHeader_Get)                       \
    FUNCTION(natsMsgHeader_Set)                       \
    FUNCTION(natsMsg_Create)                          \
    FUNCTION(natsMsg_Destroy)                         \
    FUNCTION(natsMsg_GetData)                         \
    FUNCTION(natsMsg_GetDataLength)                   \
    FUNCTION(natsMsg_GetSequence)                     \
    FUNCTION(natsMsg_GetSubject)                      \
    FUNCTION(natsOptions_Create)                      \
    FUNCTION(natsOptions_Destroy)                     \
    FUNCTION(natsOptions_LoadCATrustedCertificates)   \
    FUNCTION(natsOptions_SetClosedCB)                 \
    FUNCTION(natsOptions_SetDisconnectedCB)           \
    FUNCTION(natsOptions_SetFailRequestsOnDisconnect) \
    FUNCTION(natsOptions_SetMaxPingsOut)              \
    FUNCTION(natsOptions_SetMaxReconnect)             \
    FUNCTION(natsOptions_SetName)                     \
    FUNCTION(natsOptions_SetNoRandomize)              \
    FUNCTION(natsOptions_SetPingInterval)             \
    FUNCTION(natsOptions_SetReconnectBufSize)         \
    FUNCTION(natsOptions_SetReconnectJitter)          \
    FUNCTION(natsOptions_SetReconnectWait)            \
    FUNCTION(natsOptions_SetReconnectedCB)            \
    FUNCTION(natsOptions_SetSecure)                   \
    FUNCTION(natsOptions_SetSendAsap)                 \
    FUNCTION(natsOptions_SetServers)                  \
    FUNCTION(natsOptions_SetTimeout)                  \
    FUNCTION(natsOptions_SetUserCredentialsFromFiles) \
    FUNCTION(natsOptions_SetUserInfo)                 \
    FUNCTION(natsOptions_SetWriteDeadline)            \
    FUNCTION(natsStatus_GetText)                      \
    FUNCTION(natsSubscription_Destroy)                \
    FUNCTION(natsSubscription_GetDropped)             \
    FUNCTION(natsSubscription_NextMsg)                \
    FUNCTION(natsSubscription_SetPendingLimits)       \
    FUNCTION(nats_GetLastError)

struct nats_library {
#define NATS_MEMBER(name) __typeof__(name) *name;
    NATS_FUNCTIONS(NATS_MEMBER)
#undef NATS_MEMBER
};

/* The library with which this was compiled: its structures have the layout of that version. */
#define NATS_TEXT_OF(number) #number
#define NATS_SONAME_OF(major, minor) "libnats.so." NATS_TEXT_OF(major) "." NATS_TEXT_OF(minor)
#define NATS_SONAME NATS_SONAME_OF(NATS_VERSION_MAJOR, NATS_VERSION_MINOR)

/*
 * Loads the library, or finds it loaded; it stays for good, since it has threads. From one thread
 * at a time. False: `ret_why` says what is missing.
 */
MUST_CHECK bool nats_library_load(const char *file, struct nats_library *ret_library,
                                  char ret_why[BUS_WHY_MAX]);

#endif
