/* access.c - a load, a store, a fetch by the processor itself */
/* SPDX-License-Identifier: MIT */
/*
 * A fetch executes one instruction at the address and no more: with the trap
 * flag set the processor raises SIGTRAP when it has arrived there (before it
 * fetches), and again when the instruction is done.  The bytes there are `ret`
 * or zeros (`add %al,(%rax)`), for which there are a return address on the
 * stack and a byte behind rax.
 */
#include "model/judge/access.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define TRAP_FLAG 0x100
#define STACK_BYTES 65536

#if defined(__x86_64__)
/* fetch_once(target, scratch): fetch_resume is where it goes on after the
 * step, with the stack as fetch_stack says. */
void fetch_once(uint64_t target, void *scratch);
extern const char fetch_resume[];
uint64_t fetch_stack;

__asm__(".text\n"
	".globl fetch_once, fetch_resume\n"
	".hidden fetch_once, fetch_resume\n"
	".type fetch_once, @function\n"
	"fetch_once:\n"
	"	push %rbx\n"
	"	mov %rsp, fetch_stack(%rip)\n"
	"	lea fetch_resume(%rip), %rdx\n"
	"	push %rdx\n"
	"	mov %rsi, %rax\n"
	"	pushfq\n"
	"	orq $0x100, (%rsp)\n"
	"	popfq\n"
	"	jmp *%rdi\n"
	"fetch_resume:\n"
	"	pop %rbx\n"
	"	ret\n"
	".size fetch_once, .-fetch_once\n");

static uint64_t fetch_target;

/* Async-signal-safe: looks at registers only. */
static void step(int signal, siginfo_t *info, void *argument)
{
	ucontext_t *context = argument;
	greg_t *registers = context->uc_mcontext.gregs;

	(void)signal;
	(void)info;
	if ((uint64_t)registers[REG_RIP] == fetch_target) {
		fetch_target = 0; /* arrived: now the instruction itself */
		return;
	}
	registers[REG_EFL] &= ~TRAP_FLAG;
	registers[REG_RIP] = (greg_t)(uintptr_t)fetch_resume;
	registers[REG_RSP] = (greg_t)fetch_stack;
}

static void fetch(uint64_t address)
{
	static unsigned char scratch;

	fetch_target = address;
	fetch_once(address, &scratch);
}

bool access_can_fetch(void)
{
	return true;
}

void access_init(void)
{
	struct sigaction action = { .sa_sigaction = step,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaction(SIGTRAP, &action, NULL);
}
/*
 * As sigsetjmp() and siglongjmp(), but that the handler returns: those of a
 * sanitizer may allocate, and a kernel's process has no place for that.
 */
enum {
	MARK_RBX,
	MARK_RBP,
	MARK_R12,
	MARK_R13,
	MARK_R14,
	MARK_R15,
	MARK_RSP,
	MARK_RIP,
	MARK_REGISTERS
};

struct mark {
	uint64_t registers[MARK_REGISTERS];
};

__attribute__((returns_twice)) int set_mark(struct mark *mark);

__asm__(".text\n"
	".globl set_mark\n"
	".hidden set_mark\n"
	".type set_mark, @function\n"
	"set_mark:\n"
	"	mov %rbx, (%rdi)\n"
	"	mov %rbp, 8(%rdi)\n"
	"	mov %r12, 16(%rdi)\n"
	"	mov %r13, 24(%rdi)\n"
	"	mov %r14, 32(%rdi)\n"
	"	mov %r15, 40(%rdi)\n"
	"	lea 8(%rsp), %rdx\n"
	"	mov %rdx, 48(%rdi)\n"
	"	mov (%rsp), %rdx\n"
	"	mov %rdx, 56(%rdi)\n"
	"	xor %eax, %eax\n"
	"	ret\n"
	".size set_mark, .-set_mark\n");

static void go_back(const struct mark *to, void *context)
{
	static const int registers[MARK_REGISTERS] = {
		[MARK_RBX] = REG_RBX, [MARK_RBP] = REG_RBP,
		[MARK_R12] = REG_R12, [MARK_R13] = REG_R13,
		[MARK_R14] = REG_R14, [MARK_R15] = REG_R15,
		[MARK_RSP] = REG_RSP, [MARK_RIP] = REG_RIP,
	};
	greg_t *now = ((ucontext_t *)context)->uc_mcontext.gregs;

	for (unsigned i = 0; i < MARK_REGISTERS; i++)
		now[registers[i]] = (greg_t)to->registers[i];
	now[REG_RAX] = 1;
	now[REG_EFL] &= ~TRAP_FLAG;
}
#else
struct mark {
	sigjmp_buf place;
};

#define set_mark(mark) sigsetjmp((mark)->place, 0)

static void go_back(struct mark *to, void *context)
{
	(void)context;
	siglongjmp(to->place, 1);
}

static void fetch(uint64_t address)
{
	(void)address;
}

bool access_can_fetch(void)
{
	return false;
}

void access_init(void)
{
}
#endif

/* Not by the compiler's means: sanitizers have no business with it. */
__attribute__((no_sanitize("address", "undefined"))) void access_body(
	void *argument)
{
	struct access *access = argument;
	volatile uint64_t *word =
		(volatile uint64_t *)(uintptr_t)access->address;

	switch (access->kind) {
	case OP_LOAD:
		access->value = *word;
		break;
	case OP_STORE:
		*word = access->value;
		break;
	default:
		fetch(access->address);
	}
}

/* ---- with handlers ---- */

static struct mark mark;
static volatile sig_atomic_t expected;
/* The compiler does not see that a plain load may change it. */
static volatile struct {
	int signal;
	int code;
	uint64_t address;
} caught;

static void handle(int signal, siginfo_t *info, void *context)
{
	if (!expected) {
		struct sigaction fallback = { .sa_handler = SIG_DFL };

		sigaction(signal, &fallback, NULL);
		return; /* the access, tried again, meets it */
	}
	expected = 0;
	caught.signal = signal;
	caught.code = info->si_code;
	caught.address = (uint64_t)(uintptr_t)info->si_addr;
	go_back(&mark, context);
}

void access_catch(void)
{
	static char bytes[STACK_BYTES];
	stack_t stack = { .ss_sp = bytes, .ss_size = sizeof(bytes) };
	struct sigaction action = { .sa_sigaction = handle,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK |
						SA_NODEFER };

	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

void access_try(struct access *access, struct outcome *outcome)
{
	if (set_mark(&mark) == 0) {
		expected = 1;
		access_body(access);
		expected = 0;
		return;
	}
	outcome->result = -1;
	outcome->signal = caught.signal;
	outcome->code = caught.code;
	outcome->fault_address = caught.address;
}

__attribute__((no_sanitize("address", "undefined"))) static void copy_words(
	uint64_t *to, const volatile uint64_t *from)
{
	for (size_t i = 0; i < PAGE / 8; i++)
		to[i] = from[i];
}

int access_copy_page(void *to, uint64_t address)
{
	if (set_mark(&mark) != 0)
		return caught.signal;
	expected = 1;
	copy_words(to, (const volatile uint64_t *)(uintptr_t)address);
	expected = 0;
	return 0;
}
