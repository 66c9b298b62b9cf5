/*
 * relay CLIENT SERVER MICROSECONDS: carries packets between the TUN devices c1, c2, c3 of one network namespace and
 * s1, s2, s3 of another, each packet that much later. Namespaces are given by path. It ends when its standard input does.
 *
 * Not every kernel has sch_netem, and opening a TUN device takes an ioctl, which is unsafe in Rust.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { LINKS = 3, ENDS = 2 * LINKS, BYTES = 1600, PACKETS = 1 << 15, BURST = 64 };

struct packet {
	int64_t due;
	int to;
	int length;
	char bytes[BYTES];
};

/* All packets take equally long, so that a ring keeps them in order. */
static struct packet ring[PACKETS];
static unsigned int first, last;

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int open_tun(const char *prefix, int number)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	snprintf(request.ifr_name, IFNAMSIZ, "%s%d", prefix, number);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &request) < 0)
		err(1, "cannot open the TUN device %s", request.ifr_name);
	return tun;
}

/* Every other descriptor belongs to this namespace. */
static void open_all(struct pollfd *ends, const char *namespace, const char *prefix)
{
	int fd = open(namespace, O_RDONLY);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		err(1, "cannot enter %s", namespace);
	close(fd);
	for (int i = 0; i < LINKS; i++)
		ends[2 * i] = (struct pollfd){ .fd = open_tun(prefix, i + 1), .events = POLLIN };
}

static void take(int from, int to, int64_t delay)
{
	for (int i = 0; i < BURST && last - first < PACKETS; i++) {
		struct packet *packet = &ring[last % PACKETS];

		packet->length = read(from, packet->bytes, BYTES);
		if (packet->length <= 0)
			return;
		packet->to = to;
		packet->due = now() + delay;
		last++;
	}
}

int main(int argc, char **argv)
{
	struct pollfd ends[ENDS + 1] = { [ENDS] = { .fd = 0, .events = POLLIN } };
	int64_t delay;

	if (argc != 4)
		errx(64, "usage: relay CLIENT SERVER MICROSECONDS");
	delay = atoll(argv[3]) * 1000;
	open_all(ends, argv[1], "c");
	open_all(ends + 1, argv[2], "s");
	puts("ready");
	fflush(stdout);
	while (!ends[ENDS].revents) {
		int64_t wait = first == last ? 1000000000LL : ring[first % PACKETS].due - now();

		if (wait < 0)
			wait = 0;
		struct timespec time = { wait / 1000000000LL, wait % 1000000000LL };
		ppoll(ends, ENDS + 1, &time, NULL);
		for (int i = 0; i < ENDS; i++)
			if (ends[i].revents & POLLIN)
				take(ends[i].fd, ends[i ^ 1].fd, delay);
		for (; first != last && ring[first % PACKETS].due <= now(); first++) {
			struct packet *packet = &ring[first % PACKETS];

			/* What the other end does not take is lost, as it may be on any link. */
			if (write(packet->to, packet->bytes, packet->length) < 0)
				continue;
		}
	}
	return 0;
}
