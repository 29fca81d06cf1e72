/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The driver side of vhost-user: connect to a back end and speak every
 * request of the protocol (QEMU docs/interop/vhost-user.rst). Guest memory is
 * in memory.h, virtqueues as a driver sees them in ring.h.
 *
 * The back end is not trusted: every reply is bounded and compared, every wait
 * has an end. All calls of one front end belong to one thread.
 *
 * Calls return 0 or a negative errno with err set (err may be NULL), outputs
 * are untouched on failure:
 *   -ETIMEDOUT   no answer in time            -ECONNRESET  the back end hung up
 *   -EPROTO      an answer that may not be    -EREMOTEIO   the back end refused
 *   -EOPNOTSUPP  not negotiated
 * After -ETIMEDOUT, -ECONNRESET and -EPROTO the stream cannot be trusted any
 * more: each later call fails with -ENOTCONN. After -EREMOTEIO it can.
 */
#ifndef VHOST_FRONTEND_FRONTEND_H
#define VHOST_FRONTEND_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost-device/error-type.h"
#include "wire/vhost-user.h"

/* What is declared here is what the library shows to its users. */
#pragma GCC visibility push(default)

/* Largest payload taken, and most descriptors beside it. */
enum { FE_MAX_PAYLOAD = 4096, FE_MAX_FDS = 32 };

struct fe;

/* One message as received. Owned by whoever holds it; finish closes the fds. */
struct fe_message {
	struct vu_header hdr;
	uint8_t body[FE_MAX_PAYLOAD];
	int fds[FE_MAX_FDS];
	unsigned n_fds;
};

/* Closes what is left in m; m itself stays the caller's. May be called twice. */
void fe_message_finish(struct fe_message *m);
/* Takes one fd out of a message: the caller's now. -1: there is none. */
int fe_message_take_fd(struct fe_message *m, unsigned i);

/* -- Connections ---------------------------------------------------------- */

/*
 * Connects to a back end that listens at path, and keeps trying while nobody
 * listens there yet. timeout_ms bounds this call and becomes the limit of every
 * later one. *ret_fe is the caller's, ended by fe_free().
 *   -ENOENT, -ECONNREFUSED   nobody listened in time
 *   -EPROTOTYPE              a socket of another type
 *   -ENAMETOOLONG, -EACCES, ...   as connect(2)
 */
int fe_connect(const char *path, unsigned timeout_ms, struct fe **ret_fe, struct error *err);
/* The same on a connected stream socket, owned from now on, also on failure. */
int fe_adopt(int fd, unsigned timeout_ms, struct fe **ret_fe, struct error *err);
/*
 * For a back end that connects to us: a listening socket, the caller's to close
 * and its path to unlink, or a negative errno as of bind(2). Replaces nothing.
 */
int fe_listen(const char *path, struct error *err);
/* Waits for one back end on a socket of fe_listen(), which stays the caller's. */
int fe_accept(int listen_fd, unsigned timeout_ms, struct fe **ret_fe, struct error *err);
/* Hangs up and frees. Rings and memory are not touched. NULL is fine. */
void fe_free(struct fe *fe);

/* Limit of every later call, each counted anew. */
void fe_set_timeout(struct fe *fe, unsigned timeout_ms);
/* Limit of all calls from now on together, beside the limit of each; 0: none. */
void fe_set_total(struct fe *fe, unsigned total_ms);
/* The socket, which stays the library's: to be watched, not to be read. */
int fe_fd(const struct fe *fe);
/* Messages sent so far: "closed after message N". */
unsigned fe_sent(const struct fe *fe);
/* Static text without prefix, "GET_FEATURES"; "unknown request" for any other number. */
const char *fe_request_name(uint32_t request);
const char *fe_backend_request_name(uint32_t request);
/* "REPLY_ACK"; NULL: unknown. */
const char *fe_protocol_feature_name(unsigned bit);

/* -- Raw: any bytes, any descriptors (hostile tests, replays) -------------- */

/* Bytes as they are; the fds, which stay the caller's, go with the first one. */
int fe_send_raw(struct fe *fe, const void *bytes, size_t n, const int *fds, unsigned n_fds,
		struct error *err);
/* A message with its header made here, flags as given; counted by fe_sent(). */
int fe_send(struct fe *fe, uint32_t request, uint32_t flags, const void *body, size_t size,
	    const int *fds, unsigned n_fds, struct error *err);
/* The next message whatever it is; to be finished by the caller. */
int fe_recv(struct fe *fe, struct fe_message *ret_m, struct error *err);
/* Waits until the back end hangs up; what it still sends is dropped. */
int fe_wait_closed(struct fe *fe, struct error *err);
/* Nothing may arrive during so many milliseconds: 0, else -EPROTO or -ECONNRESET. */
int fe_expect_silence(struct fe *fe, unsigned ms, struct error *err);
/* After a raw exchange that ended in order: trust the stream again. */
void fe_revive(struct fe *fe);

/*
 * One request with any payload. With ret_reply: the reply of that request,
 * checked for number and flags, to be finished by the caller. Without: an
 * acknowledgment is asked for and awaited when REPLY_ACK was negotiated and
 * fe_want_acks() says so; -EREMOTEIO then tells of a refusal. The fds stay the
 * caller's.
 */
int fe_request(struct fe *fe, uint32_t request, const void *body, size_t size, const int *fds,
	       unsigned n_fds, struct fe_message *ret_reply, struct error *err);
/* Default true. QEMU asks for few acknowledgments, crosvm never does. */
void fe_want_acks(struct fe *fe, bool on);

/* -- Negotiation ----------------------------------------------------------- */

/*
 * GET_FEATURES, with bit 30 the protocol features, GET_QUEUE_NUM and
 * GET_MAX_MEM_SLOTS as far as they were negotiated, then SET_OWNER. Features
 * are acked later, by fe_set_features(). want_protocol is cut to the offer.
 */
int fe_negotiate(struct fe *fe, uint64_t want_protocol, struct error *err);
/*
 * Every protocol feature that this library speaks by itself, as a bit mask. For
 * LOG_SHMFD and INFLIGHT_SHMFD the caller has to do something, see below.
 */
uint64_t fe_all_protocol_features(void);

/* What the calls below have learned by now; 0 before. */
uint64_t fe_offered(const struct fe *fe);               /* virtio features, GET_FEATURES */
uint64_t fe_acked(const struct fe *fe);                 /* .. SET_FEATURES */
uint64_t fe_protocol_offered(const struct fe *fe);      /* GET_PROTOCOL_FEATURES */
uint64_t fe_protocol(const struct fe *fe);              /* acked */
bool fe_has_protocol(const struct fe *fe, unsigned bit);        /* .. one of them, VU_PF_ */
unsigned fe_queue_num(const struct fe *fe);             /* GET_QUEUE_NUM; 0: not known */
unsigned fe_mem_slots(const struct fe *fe);             /* GET_MAX_MEM_SLOTS; 0: not known */

/*
 * -- Requests: sections of vhost-user.rst, "Front-end message types" ---------
 *
 * Each sends the message of its name. Those that need a protocol feature fail
 * with -EOPNOTSUPP and send nothing without it.
 */

/* The offer; kept for fe_offered(). Legal at any time, see fe_barrier(). */
int fe_get_features(struct fe *fe, uint64_t *ret_bits, struct error *err);
/* Acks bits, which are not compared with the offer; without bit 30 all rings are enabled. */
int fe_set_features(struct fe *fe, uint64_t bits, struct error *err);
/* Only after an offer of bit 30. */
int fe_get_protocol_features(struct fe *fe, uint64_t *ret_bits, struct error *err);
/* Acks; counts from the next message on. */
int fe_set_protocol_features(struct fe *fe, uint64_t bits, struct error *err);
/* This session owns the device. Needed once, before memory and rings. */
int fe_set_owner(struct fe *fe, struct error *err);
/* Deprecated by the protocol, no reset: see fe_reset_device(). */
int fe_reset_owner(struct fe *fe, struct error *err);
/* MQ. The most queues the back end can have; -EPROTO above 256. */
int fe_get_queue_num(struct fe *fe, uint64_t *ret_n, struct error *err);
/* CONFIGURE_MEM_SLOTS. As told; fe_mem_slots() keeps at most VU_MAX_MEM_SLOTS. */
int fe_get_max_mem_slots(struct fe *fe, uint64_t *ret_n, struct error *err);
/* RESET_DEVICE. Rings stop; memory, owner and protocol features stay. */
int fe_reset_device(struct fe *fe, struct error *err);
/* STATUS. The device status byte (virtio 1.4, 2.1). */
int fe_set_status(struct fe *fe, uint8_t status, struct error *err);
/* STATUS. -EPROTO for a value beyond a byte. */
int fe_get_status(struct fe *fe, uint8_t *ret_status, struct error *err);
/* Everything sent before was seen: GET_FEATURES, as QEMU does without REPLY_ACK. */
int fe_barrier(struct fe *fe, struct error *err);

/*
 * CONFIG. n bytes of config space at off, at most VU_MAX_CONFIG (-EINVAL).
 * -EREMOTEIO: the back end refused, the session goes on.
 */
int fe_get_config(struct fe *fe, uint32_t off, void *buf, uint32_t n, struct error *err);
/* CONFIG. flags: VU_CONFIG_WRITABLE or VU_CONFIG_MIGRATION. */
int fe_set_config(struct fe *fe, uint32_t off, const void *buf, uint32_t n, uint32_t flags,
		  struct error *err);

/*
 * All guest memory at once, one fd a region, at most FE_MAX_FDS (-EINVAL); the
 * fds stay the caller's. memory.h does this from its regions.
 */
int fe_set_mem_table(struct fe *fe, const struct vu_region *regions, const int *fds, unsigned n,
		     struct error *err);
/* CONFIGURE_MEM_SLOTS. One region more; the fd stays the caller's. */
int fe_add_mem_region(struct fe *fe, const struct vu_region *region, int fd, struct error *err);
/* CONFIGURE_MEM_SLOTS. One less, named by addresses and size. */
int fe_remove_mem_region(struct fe *fe, const struct vu_region *region, struct error *err);

/*
 * INFLIGHT_SHMFD. A buffer for so many queues of so many entries, made by the
 * back end, in which its requests survive it. *ret_fd is the caller's, to be
 * mapped and given to the next back end; the file holds what is announced.
 * -EREMOTEIO: the back end has none; -EPROTO: it lies about it.
 */
int fe_get_inflight(struct fe *fe, unsigned queues, unsigned queue_size,
		    struct vu_inflight *ret_inflight, int *ret_fd, struct error *err);
/* INFLIGHT_SHMFD. Before the rings are set up; the fd stays the caller's. */
int fe_set_inflight(struct fe *fe, const struct vu_inflight *inflight, int fd, struct error *err);
/*
 * LOG_SHMFD. Where the back end marks the pages it writes, a bit each, while
 * LOG_ALL is acked; waits until it has the file, whose fd stays the caller's.
 */
int fe_set_log_base(struct fe *fe, uint64_t size, uint64_t offset, int fd, struct error *err);
/* An eventfd by which the back end tells of log writes; stays the caller's. */
int fe_set_log_fd(struct fe *fe, int fd, struct error *err);

/* Ring by ring, index below fe_queue_num(); ring.h sends these in order. */

/* Number of descriptors. */
int fe_set_vring_num(struct fe *fe, unsigned index, unsigned num, struct error *err);
/* Addresses in the front end's own address space (user_addr of the regions). */
int fe_set_vring_addr(struct fe *fe, const struct vu_vring_addr *addr, struct error *err);
/* Where to begin: split 16 bits of avail index, packed both indices with their wrap bits. */
int fe_set_vring_base(struct fe *fe, unsigned index, uint32_t base, struct error *err);
/* Stops the ring and waits until the device has given back what it held. */
int fe_get_vring_base(struct fe *fe, unsigned index, uint32_t *ret_base, struct error *err);
/* Only after bit 30 was acked. */
int fe_set_vring_enable(struct fe *fe, unsigned index, bool on, struct error *err);
/* Eventfds, which stay the caller's; fd < 0: none (NOFD). KICK starts the ring. */
int fe_set_vring_kick(struct fe *fe, unsigned index, int fd, struct error *err);
int fe_set_vring_call(struct fe *fe, unsigned index, int fd, struct error *err);
int fe_set_vring_err(struct fe *fe, unsigned index, int fd, struct error *err);
/* INBAND_NOTIFICATIONS. A kick as a message. */
int fe_vring_kick(struct fe *fe, unsigned index, struct error *err);

/* -- The back end's own requests: "Back-end message types" ------------------ */

/*
 * Answers one message of the back end: 0 accepts it, anything else refuses.
 * Called from whatever waits on this front end; may not call it back. The
 * message ends with the call, fds that are to live must be taken out.
 */
typedef uint64_t fe_backend_fn(void *ctx, struct fe_message *m);

/*
 * BACKEND_REQ. Opens the channel and hands its other end over. fn may be NULL:
 * all is accepted. ctx must live as long as the channel. Replaces an older one.
 */
int fe_open_backend_channel(struct fe *fe, fe_backend_fn *fn, void *ctx, struct error *err);
/* Our end alone: the back end finds a channel that was hung up. */
void fe_close_backend_channel(struct fe *fe);
/* Our end, to be watched only; -1: none, or the back end closed it. */
int fe_backend_fd(const struct fe *fe);
/* Waits for and serves requests of the back end; how many (some 64 a call), 0 after the time. */
int fe_serve_backend(struct fe *fe, unsigned timeout_ms, struct error *err);
/* Requests by number seen on the channel so far, and in-band calls by queue. */
unsigned fe_backend_seen(const struct fe *fe, unsigned request);
unsigned fe_inband_calls(const struct fe *fe, unsigned index);
unsigned fe_inband_errs(const struct fe *fe, unsigned index);

#pragma GCC visibility pop

#endif
