/* bare_calls.c - libc's syscall() in place of its functions */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <sys/syscall.h>

int main(int count, char **arguments)
{
	volatile unsigned char *bytes;
	unsigned char byte = 0;
	long got;
	int fd;

	begin(count, arguments);
	fd = make_file("bare", FILE_BYTES);
	got = syscall(SYS_mmap, NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd,
		      0L);
	must(got != -1);
	bytes = (unsigned char *)got;
	must(is_pattern(bytes, FILE_BYTES, 0));
	must(syscall(SYS_mprotect, bytes, FILE_BYTES, PROT_READ | PROT_WRITE) ==
	     0);
	bytes[PAGE] = 0x44;
	must(syscall(SYS_pread64, fd, &byte, 1L, (long)PAGE) == 1);
	must(byte == 0x44);
	byte = 0x45;
	must(syscall(SYS_pwrite64, fd, &byte, 1L, 2L * (long)PAGE) == 1);
	must(bytes[2 * PAGE] == 0x45);
	must(syscall(SYS_lseek, fd, 3L * (long)PAGE, SEEK_SET) ==
	     3L * (long)PAGE);
	must(syscall(SYS_write, fd, &byte, 1L) == 1);
	must(bytes[3 * PAGE] == 0x45);
	must(syscall(SYS_msync, bytes, FILE_BYTES, MS_SYNC) == 0);
	must(syscall(SYS_madvise, bytes, FILE_BYTES, MADV_DONTNEED) == 0);
	must(bytes[PAGE] == 0x44);
	must(syscall(SYS_ftruncate, fd, 2L * (long)FILE_BYTES) == 0);
	got = syscall(SYS_mremap, bytes, FILE_BYTES, 2 * FILE_BYTES,
		      MREMAP_MAYMOVE, 0L);
	must(got != -1);
	bytes = (unsigned char *)got;
	must(bytes[PAGE] == 0x44 && bytes[FILE_BYTES] == 0);
	must(syscall(SYS_munmap, bytes, 2 * FILE_BYTES) == 0);
	must(syscall(SYS_munmap, 1L, 1L) == -1 && errno == EINVAL);
	must(syscall(SYS_getpid) == getpid());
	return 0;
}
