/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The system calls of host.c. */
#include <errno.h>
#include <linux/can/raw.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "can.h"
#include "vhost-device/fd.h"

enum { SKIMS = 64, RECEIVE_BUFFER = 1 << 20 };

static int sys_open(void)
{
	const int on = 1, size = RECEIVE_BUFFER;
	int fd = socket(PF_CAN, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, CAN_RAW);

	if (fd < 0)
		return -errno;
	/* Both are for the better; without them it works too. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static int sys_query(int fd, const char *name, struct can_iface *ret_iface)
{
	const short running = IFF_UP | IFF_RUNNING;
	struct can_iface iface;
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	memcpy(r.ifr_name, name, strnlen(name, sizeof(r.ifr_name) - 1));
	if (ioctl(fd, SIOCGIFHWADDR, &r) < 0)
		return -errno;
	if (r.ifr_hwaddr.sa_family != ARPHRD_CAN)
		return -EPROTOTYPE;
	if (ioctl(fd, SIOCGIFINDEX, &r) < 0)
		return -errno;
	iface.index = (unsigned)r.ifr_ifindex;
	if (ioctl(fd, SIOCGIFMTU, &r) < 0)
		return -errno;
	iface.mtu = (unsigned)r.ifr_mtu;
	if (ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		return -errno;
	iface.up = (r.ifr_flags & running) == running;
	*ret_iface = iface;
	return 0;
}

static int sys_bind(int fd, unsigned index)
{
	struct sockaddr_can addr;

	memset(&addr, 0, sizeof(addr));
	addr.can_family = AF_CAN;
	addr.can_ifindex = (int)index;
	return bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

static int sys_set(int fd, int option, const void *value, size_t size)
{
	return setsockopt(fd, SOL_CAN_RAW, option, value, (socklen_t)size) < 0 ? -errno : 0;
}

static uint32_t lost_of(struct msghdr *h)
{
	struct cmsghdr *c;
	uint32_t lost = 0;

	for (c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL &&
		    c->cmsg_len >= CMSG_LEN(sizeof(lost)))
			memcpy(&lost, CMSG_DATA(c), sizeof(lost));
	}
	return lost;
}

static int sys_recv(int fd, struct can_msg *msgs, unsigned n)
{
	union {
		struct cmsghdr aligned;
		char space[CMSG_SPACE(sizeof(uint32_t))];
	} control[CAN_MSGS];
	struct mmsghdr headers[CAN_MSGS];
	struct iovec iov[CAN_MSGS];
	unsigned i;
	int got;

	memset(headers, 0, sizeof(headers));
	for (i = 0; i < n && i < CAN_MSGS; i++) {
		iov[i] = (struct iovec){ &msgs[i].frame, sizeof(msgs[i].frame) };
		headers[i].msg_hdr.msg_iov = &iov[i];
		headers[i].msg_hdr.msg_iovlen = 1;
		headers[i].msg_hdr.msg_control = &control[i];
		headers[i].msg_hdr.msg_controllen = sizeof(control[i]);
	}
	got = recvmmsg(fd, headers, i, MSG_DONTWAIT, NULL);
	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	for (i = 0; i < (unsigned)got; i++) {
		msgs[i].size = (headers[i].msg_hdr.msg_flags & MSG_TRUNC) != 0 ? 0
			: headers[i].msg_len;
		msgs[i].own = (headers[i].msg_hdr.msg_flags & MSG_CONFIRM) != 0;
		msgs[i].lost = lost_of(&headers[i].msg_hdr);
	}
	return got;
}

static int sys_send(int fd, const struct canfd_frame *f, size_t size)
{
	return send(fd, f, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int sys_watch(void)
{
	struct sockaddr_nl addr;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	memset(&addr, 0, sizeof(addr));
	addr.nl_family = AF_NETLINK;
	addr.nl_groups = RTMGRP_LINK;
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int ret = -errno;

		fd_close(&fd);
		return ret;
	}
	return fd;
}

/* What it says is not read, only that it says something: the interface itself is asked. */
static void sys_watched(int fd)
{
	char buf[64];
	unsigned i;

	for (i = 0; i < SKIMS; i++) {
		if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC) < 0 &&
		    errno != ENOBUFS && errno != EINTR)
			return;
	}
}

const struct can_sys can_kernel = {
	.open = sys_open, .query = sys_query, .bind = sys_bind, .set = sys_set,
	.recv = sys_recv, .send = sys_send, .watch = sys_watch, .watched = sys_watched,
};
