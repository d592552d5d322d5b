/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processes of one store share outside Berkeley DB: two lock files and
 * one mapped page.
 *
 * POSIX record locks belong to the process: a second lock of the same process
 * never conflicts, and closing any descriptor of the file drops them all. So a
 * process opens each file once, however many stores it has open on the path,
 * and keeps count of its own holders here.
 *
 * Only the holder of writer.lock may change the phase and the generation.
 */
#ifndef HF_STORE_SHARE_H
#define HF_STORE_SHARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct share;

/* Of the environment. It may be used while a living writer runs it, or when it was closed. */
enum share_phase {
    SHARE_NEW = 0,    /* never made */
    SHARE_RUNNING,    /* a writer has it, if that writer is alive */
    SHARE_RECOVERING, /* nobody may enter; the holder of writer.lock will say */
    SHARE_CLOSED,     /* no writer, fit to be read */
    SHARE_DAMAGED     /* no writer, and somebody died inside: recover before use */
};

/* Join the share of the directory `path`, or make it if `create`. HF_NOTFOUND: nothing there yet; HF_INVALID: of another
 * version; HF_BUSY: too many processes; HF_IO: it cannot be read and written; HF_FULL; HF_NOMEM. */
HF_MUST_CHECK enum hf_err share_open(const char *path, bool create, struct share **out, struct hf_why *why);
void share_close(struct share **share);

/* ---- writer.lock ---- */

/* Try to become the owner. HF_BUSY with the pid of the one that is (0: not known), or HF_IO. */
HF_MUST_CHECK enum hf_err share_own(struct share *share, pid_t *owner);
void share_disown(struct share *share);

/* Tell others that this owner is a writer, which stays, and not a reader that recovers for want of one. */
void share_set_writer(struct share *share);
/* The pid of the writer, 0 when none lives. */
pid_t share_writer(struct share *share);

/* ---- the mapped page ---- */

enum share_phase share_phase(const struct share *share);
uint64_t share_generation(const struct share *share);
/* Whether the environment was made since the machine started: its regions do not outlive that. */
bool share_of_this_boot(const struct share *share);
/* By the owner only. */
void share_set_phase(struct share *share, enum share_phase phase);
/* By the owner, while everybody is kept out: what they knew of the environment is past, and so are the dead. */
void share_new_generation(struct share *share);

/* ---- what the owner fails at, for others to see ---- */

enum share_work { SHARE_RECOVERY, SHARE_COMMIT, SHARE_SYNC, SHARE_CHECKPOINT, SHARE_WORKS };

/* By the owner: how its last attempt at this work ended; HF_OK ends the trouble. Of one boot of the machine. */
void share_set_trouble(struct share *share, enum share_work work, enum hf_err err);
/* The first work in trouble: why, and since when (share_clock_ms()). HF_OK when none is. */
enum hf_err share_trouble(const struct share *share, int64_t *since_ms);

/* ---- what recovery has to come to ---- */

/* How far a state of the store is: none of these ever falls. */
struct share_mark {
    uint64_t accepted, expired;
    int64_t as_of_ms;
};

/* By the writer: this was committed, and lies in the log as far as the system keeps its files. */
void share_note_commit(struct share *share, const struct share_mark *mark);
/* By the writer: what was committed last is on the disk. */
void share_note_sync(struct share *share);
/* What log and tables hold at the least: what was committed, or, when the machine was started since, what was on the disk. Log
 * files that end before that were damaged, and Berkeley DB takes the damage for their end. */
struct share_mark share_least(const struct share *share);
/* By the owner: another state takes the place of this one. */
void share_forget_marks(struct share *share);
/* How far into the log the pages go that were written: see store/page.h. For every process to raise. */
_Atomic uint64_t *share_written(struct share *share);

/* ---- access.lock ---- */

/* Come in to use the environment, for a short while. HF_BUSY: somebody recovers; HF_IO. */
HF_MUST_CHECK enum hf_err share_enter(struct share *share);
void share_leave(struct share *share);
/* Whether a process is inside, living or dead. */
bool share_somebody_inside(const struct share *share);
/* Whether, in this generation, a process died while it was inside. */
bool share_somebody_died(const struct share *share);
/* Whether no other living process has the store open. */
bool share_alone(const struct share *share);

/* By the owner: wait until everybody has left, and keep them out. Processes still inside after half a second
 * are killed if they belong to this user. HF_TIMEOUT with what stands in the way; HF_IO. */
HF_MUST_CHECK enum hf_err share_exclude(struct share *share, int64_t wait_ms, struct hf_why *why);
void share_admit(struct share *share);

int64_t share_clock_ms(void); /* monotonic */

#endif
