/*
 * The keys of TLS tickets between a planned stop and the next start, in a file of the state
 * directory that only its owner may read. So clients that come back resume their sessions: a storm
 * of thousands of whole handshakes would take the processors for many seconds. The file is removed
 * when it is read. A session that was resumed in TLS 1.3 has keys of its own as well, which nobody
 * learns from the file; in TLS 1.2 whoever has the file can read it.
 *
 * The main thread calls these while it has the store, so no other process uses the directory.
 */
#ifndef PARTY_SERVER_TICKET_FILE_H
#define PARTY_SERVER_TICKET_FILE_H

#include "server/server.h"

/* Takes over the keys in the file, if there are any and they are not too old. */
void ticket_file_read(struct server *server);

/* Leaves the keys to the next process. A failure costs that process some time, and is not told. */
void ticket_file_write(const struct server *server);

#endif
