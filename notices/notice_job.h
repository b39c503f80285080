/**
 * The one thread that sends notices: what is due becomes deliveries, deliveries become events, each once (docs/notices.md).
 */
#ifndef BELFRY_NOTICES_NOTICE_JOB_H
#define BELFRY_NOTICES_NOTICE_JOB_H

#include "homeserver/homeserver.h"

struct notice_job;

/** One connection beside those of hs->db keeps the lease: of all processes one sends. */
struct notice_job *notice_job_create(struct homeserver *hs);
/** Starts the thread; the homeserver is whole. Costs one round trip a second while nothing is due. */
void notice_job_start(struct notice_job *job);
/** Something may be due: it looks at once. Any thread. */
void notice_job_wake(struct notice_job *job);
/** Lets the delivery that is under way end. NULL does nothing. */
void notice_job_stop(struct notice_job *job);
/** NULL does nothing. */
void notice_job_destroy(struct notice_job *job);

#endif
