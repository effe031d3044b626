/* What crosses the kernel: sampler.bpf.c and the agent's ebpf source share it. Plain C, also valid C++.
 * "BPF" and "agent" say who writes a field. */
#ifndef PILOTLIGHT_AGENT_CAPTURE_BPF_ABI_H_
#define PILOTLIGHT_AGENT_CAPTURE_BPF_ABI_H_

#include <linux/types.h>

#ifdef __cplusplus
#define PL_STATIC_ASSERT static_assert
#else
#define PL_STATIC_ASSERT _Static_assert
#endif

/* Words, not frames: one of Python takes two. */
#define PL_MAX_USER_FRAMES 252
/* Deepest seen with file systems over block devices: about 50. 63 makes pl_stack 1536 bytes. */
#define PL_MAX_KERNEL_FRAMES 63
#define PL_MAX_FRAMES (PL_MAX_USER_FRAMES + PL_MAX_KERNEL_FRAMES)

/* The ring buffer `records` carries two kinds, told apart by their first word. */
#define PL_KIND_NEW_PROCESS 1
#define PL_KIND_STACK 2

struct pl_new_process {
  __u32 kind;    /* BPF: PL_KIND_NEW_PROCESS */
  __u32 tgid;    /* BPF: as the agent's pid namespace has it */
  char comm[16]; /* BPF: of the process, with a NUL; empty when another thread than its first was sampled */
};
PL_STATIC_ASSERT(sizeof(struct pl_new_process) == 24, "part of the kernel ABI");

/* Why a user stack goes no further. */
#define PL_END_UNKNOWN 0     /* it was walked by the kernel, which does not tell; or there is none */
#define PL_END_OUTERMOST 1   /* there are no more callers */
#define PL_END_TRUNCATED 2   /* there are more, but no room */
#define PL_END_UNMAPPED 3    /* code in none of the mappings that are known of the process */
#define PL_END_NO_RULE 4     /* code that no rule describes */
#define PL_END_UNREADABLE 5  /* the stack's memory */
#define PL_END_IMPLAUSIBLE 6 /* what was found is no frame */
#define PL_END_GO_SWITCH \
  7 /* the frame returns into a Go function that changed stacks, whose caller is not known */

#define PL_STACK_JOINED 1 /* the frames beyond a change of stacks are of who called for it */
#define PL_STACK_WITH_TOP \
  2 /* frames[1] was on the top of the stack: the leaf's caller, if that has no frame */
#define PL_STACK_WITHOUT_PYTHON 4 /* Python's frames are not all there: what was found does not fit */

/* A frame of Python is a word with this bit, the number of its instruction (in units of two bytes, or
 * PL_PYTHON_NO_INSTRUCTION) and the address of its code object; and after it a word by which that object is
 * known again: pl_python_identity(). */
#define PL_PYTHON_FRAME (1ULL << 63)
#define PL_PYTHON_INSTRUCTION_SHIFT 48
#define PL_PYTHON_NO_INSTRUCTION 0x7fffU
#define PL_PYTHON_CODE ((1ULL << PL_PYTHON_INSTRUCTION_SHIFT) - 1)

/* One sample. Its repeats on the same CPU come in `slot`, when it has one. A record is as long as its frames.
 */
struct pl_stack {
  __u32 kind;                  /* BPF: PL_KIND_STACK */
  __u32 tgid;                  /* BPF: as the agent's pid namespace has it */
  __u32 slot;                  /* BPF: CPU * PL_SLOTS + its place there; PL_NO_SLOT when its set is full */
  __u8 n_user;                 /* BPF: at most PL_MAX_USER_FRAMES */
  __u8 n_kernel;               /* BPF: at most PL_MAX_KERNEL_FRAMES */
  __u8 flags;                  /* BPF: PL_STACK_… */
  __u8 end;                    /* BPF: PL_END_… of the user stack */
  __u32 count;                 /* BPF: of samples, without the repeats */
  __u32 wait;                  /* BPF: PL_WAIT_… and the system call of a thread that was blocked; else 0 */
  __u64 frames[PL_MAX_FRAMES]; /* BPF: those of the user, then those of the kernel; leaf first each */
};
#define PL_STACK_HEADER_BYTES 24
#define PL_NO_SLOT 0xffffffffU

/* What a thread waited for. */
#define PL_WAIT_BLOCKED 0x80000000U         /* always */
#define PL_WAIT_DISK 0x40000000U            /* the kernel counts it as waiting for I/O */
#define PL_WAIT_UNINTERRUPTIBLE 0x20000000U /* not even a signal ends it, but for a deadly one */
#define PL_WAIT_CALL 0xffffU                /* the number of its system call, plus 1; 0 when it was in none */

PL_STATIC_ASSERT(sizeof(struct pl_stack) == PL_STACK_HEADER_BYTES + PL_MAX_FRAMES * 8,
                 "part of the kernel ABI");

/* Counts the samples that are equal to one that went out as a record. Four slots are a cache line, and a set:
 * a stack's hash chooses the set. One CPU takes 990 samples in a window by default. */
struct pl_slot {
  __u64 hash;    /* BPF: of all frames and their numbers */
  __u32 tgid;    /* BPF: 0 while the slot is free */
  __u32 repeats; /* BPF: without the first */
};
PL_STATIC_ASSERT(sizeof(struct pl_slot) == 16, "part of the kernel ABI");
#define PL_SLOTS 1024
#define PL_SLOTS_OF_SET 4

/* Reading the clock twice costs as much as the walk of ten frames. */
#define PL_RUNS_PER_TIMED_RUN 8

struct pl_go_function {
  __u32 start; /* agent: from the program's `start` */
  __u32 bytes; /* agent: 0 when it is not to be looked for */
};

/* Value of the map `go_programs`, by process: where a Go program of amd64 keeps what joins a stack that went
 * over to g0 to its goroutine. */
struct pl_go_program {
  __u64 start;                       /* agent: address of the first of these functions in the process */
  __u32 switches_bytes;              /* agent: all lie in so many */
  struct pl_go_function mcall;       /* agent: runtime.mcall */
  struct pl_go_function morestack;   /* agent: runtime.morestack and morestack_noctxt */
  struct pl_go_function systemstack; /* agent: runtime.systemstack, up to Go 1.20 */
  __u32 gobuf_bp;                    /* agent: offset of bp in runtime.gobuf, 40 since Go 1.25, 48 before */
  __u32 m_curg;                      /* agent: offset of curg in runtime.m */
  __u32 unused;
  __u64 text_start; /* agent: the code of Go's compiler */
  __u64 text_bytes; /* agent */
};
PL_STATIC_ASSERT(sizeof(struct pl_go_program) == 64, "part of the kernel ABI");

/* Value of the map `python_programs`, by process: where CPython keeps the frames of its threads. Offsets in
 * bytes. */
struct pl_python_program {
  __s32 thread_state;      /* agent: of the pointer to a thread's state, from its thread pointer */
  __u16 thread_id;         /* agent: of thread_id in PyThreadState, which is the thread pointer */
  __u16 current;           /* agent: of cframe in PyThreadState, or of current_frame */
  __u8 has_cframes;        /* agent: up to 3.12 */
  __u8 cframe_frame;       /* agent: of current_frame in _PyCFrame; previous comes next */
  __u8 has_entry_flag;     /* agent: 3.11 */
  __u8 frame_entry_flag;   /* agent: of is_entry in _PyInterpreterFrame */
  __u8 frame_owner;        /* agent: of owner, likewise */
  __u8 frame_previous;     /* agent: of previous */
  __u8 frame_code;         /* agent: of f_code, or f_executable */
  __u8 frame_instruction;  /* agent: of prev_instr, or instr_ptr */
  __u16 code_instructions; /* agent: of co_code_adaptive in PyCodeObject; 0 for what is no Python program */
  __u16 hashes_name;       /* agent: code objects have no version number: see pl_python_identity() */
};
PL_STATIC_ASSERT(sizeof(struct pl_python_program) == 20, "part of the kernel ABI");
#define PL_PYTHON_FRAME_BYTES 72

/* Of a code object, what never changes in it: counts, its number or line, the names and tables it points at.
 */
#define PL_PYTHON_IDENTITY_OFFSET 72
#define PL_PYTHON_IDENTITY_WORDS 9
#define PL_PYTHON_NAME_WORD 6    /* co_name, of these */
#define PL_PYTHON_STRING_HASH 24 /* of hash in PyASCIIObject */

/* Multiply and fold: each bit of a value reaches the whole hash within two values. */
static inline __u64 pl_mix(__u64 hash, __u64 value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
  return hash ^ (hash >> 32);
}

/* `name_hash` is that of the string co_name where `hashes_name`, else 0. */
static inline __u64 pl_python_identity(const __u64* words, __u64 name_hash) {
  __u64 hash = name_hash;
  for (int i = 0; i < PL_PYTHON_IDENTITY_WORDS; i++) hash = pl_mix(hash, words[i]);
  return hash;
}

/* Memory for code that HotSpot makes. It is cut into segments of 2^`segment_shift` bytes; a byte for each of
 * them says how many segments before it, at most, its block begins, 0 at a begin. */
struct pl_code_heap {
  __u64 start;    /* agent */
  __u64 end;      /* agent: exclusive, of what it may grow to; equal to start for no heap */
  __u64 segments; /* agent: address of the bytes */
};
#define PL_MAX_CODE_HEAPS 3

/* Value of the map `jvm_programs`, by process: where HotSpot keeps the code that it makes. Offsets in bytes.
 */
struct pl_jvm_program {
  __u64 start; /* agent: all code heaps lie from here on */
  __u64 bytes; /* agent: in so many; 0 for what is no JVM */
  struct pl_code_heap heaps[PL_MAX_CODE_HEAPS];
  __u64 interpreter;       /* agent: the interpreter's code, in one of them */
  __u32 interpreter_bytes; /* agent */
  __u8 segment_shift;      /* agent */
  /* In a block of a heap, which is a HeapBlock and a CodeBlob: */
  __u8 block_used;          /* agent: of _used in HeapBlock::Header */
  __u8 blob_frame_size;     /* agent: of _frame_size in CodeBlob */
  __u8 blob_frame_complete; /* agent: of _frame_complete_offset */
  __u8 blob_code;           /* agent: of _code_begin */
  __u8 blob_deoptimized;    /* agent: of _deopt_handler_begin in CompiledMethod; another one comes next */
  __u8 method_constants;    /* agent: of _constMethod in Method */
  __u8 unused;
};
PL_STATIC_ASSERT(sizeof(struct pl_jvm_program) == 112, "part of the kernel ABI");
/* So much of a block and its blob is looked at. */
#define PL_CODE_BLOB_BYTES 256

/* Unwinding by tables. The address space of a binary is cut into pages of 64 KiB. A page has rows in order of
 * their addresses, the first one at its begin; a row's rule holds up to the next one. */
#define PL_PAGE_SHIFT 16
#define PL_MAX_RULES 16384
#define PL_MAX_PAGES 65536
#define PL_MAX_MAPPINGS 32768
#define PL_MAX_MAPPINGS_OF_PROCESS 4096
#define PL_MAX_CHUNKS 256
#define PL_ROWS_OF_CHUNK 65536

struct pl_row {
  __u16 begin; /* agent: offset in the page */
  __u16 rule;  /* agent: index of `rules`; 0 is the rule that nothing is known */
};
PL_STATIC_ASSERT(sizeof(struct pl_row) == 4, "part of the kernel ABI");

/* The only element of a map in `row_chunks`. */
struct pl_rows {
  struct pl_row rows[PL_ROWS_OF_CHUNK]; /* agent */
};

/* Element of `pages`. The rows of a page are in one chunk. */
struct pl_page {
  __u16 chunk; /* agent */
  __u16 first; /* agent: its first row in there */
  __u32 count; /* agent */
};
PL_STATIC_ASSERT(sizeof(struct pl_page) == 8, "part of the kernel ABI");

/* Element of `rules`: objfile/unwind_rule.h. */
struct pl_rule {
  __u8 cfa;         /* agent: PL_CFA_… */
  __u8 fp;          /* agent: PL_FP_… */
  __s16 cfa_addend; /* agent */
  __s32 cfa_offset; /* agent */
  __s32 fp_offset;  /* agent */
  __s32 ra_offset;  /* agent */
};
PL_STATIC_ASSERT(sizeof(struct pl_rule) == 16, "part of the kernel ABI");
#define PL_CFA_UNKNOWN 0
#define PL_CFA_OUTERMOST 1
#define PL_CFA_STACK_POINTER 2
#define PL_CFA_FRAME_POINTER 3
#define PL_CFA_AT_STACK_POINTER 4
#define PL_CFA_AT_FRAME_POINTER 5
#define PL_CFA_PLT 6
#define PL_CFA_SIGNAL_FRAME 7
#define PL_CFA_FRAME_CHAIN 8
#define PL_CFA_FRAME_CHAIN_UNCONFIRMED 9
#define PL_FP_SAME 0
#define PL_FP_AT_CFA 1
#define PL_FP_AT_FRAME_POINTER 2

/* Element of `mappings`: executable memory of a process. */
struct pl_mapping {
  __u64 start;
  __u64 end;        /* exclusive */
  __u64 base;       /* where the begin of the binary's first page is in the process */
  __u32 first_page; /* of `pages`; without any, PL_JIT_CODE or 0 */
  __u32 pages;      /* 0: the code there keeps frame pointers */
};
#define PL_JIT_CODE 1 /* made by the process: it always has a caller */
#define PL_JVM_CODE 2 /* made by the HotSpot of `jvm_programs` */
PL_STATIC_ASSERT(sizeof(struct pl_mapping) == 32, "part of the kernel ABI");

/* Value of the map `unwound`, by process: those whose stacks are walked by tables. */
struct pl_unwound {
  __u32 first;    /* agent: of `mappings`, sorted by start */
  __u32 count;    /* agent: at most PL_MAX_MAPPINGS_OF_PROCESS */
  __u32 unmapped; /* BPF: 1 when code in none of them was met; agent: 0 */
};
PL_STATIC_ASSERT(sizeof(struct pl_unwound) == 12, "part of the kernel ABI");

/* One per CPU, only ever growing; the agent takes differences. Each way out of the program has its own. */
struct pl_counters {
  __u64 runs;            /* BPF: every sample taken */
  __u64 timed_runs;      /* BPF: the first of each PL_RUNS_PER_TIMED_RUN */
  __u64 timed_ns;        /* BPF: time spent in those */
  __u64 counted;         /* BPF: went out as a record, or into a slot */
  __u64 stackless;       /* BPF: went into `processes`: no stack, or no room for it */
  __u64 idle;            /* BPF: skipped, the idle task */
  __u64 not_watched;     /* BPF: skipped by the filter */
  __u64 other_namespace; /* BPF: skipped, its pid means nothing to the agent */
  __u64 lost;            /* BPF: neither `records` nor `processes` had room */
  __u64 unannounced;     /* BPF: processes that found no room in `records` */
};
PL_STATIC_ASSERT(sizeof(struct pl_counters) == 80, "part of the kernel ABI");

/* Of the threads that gave up their CPU. More of them are kept on a CPU in 2^PL_SLICE_SHIFT ns, about a
 * seventh of a second, only by number. */
#define PL_SLICE_SHIFT 27
#define PL_KEPT_IN_SLICE 32

/* Value of the map `blocked`, by thread. */
struct pl_blocked {
  __u64 since; /* BPF: 0 while it runs, or waits for nothing but a CPU */
  __u32 wait;  /* BPF: PL_WAIT_… as far as it is known then */
  __u32 padding;
};
PL_STATIC_ASSERT(sizeof(struct pl_blocked) == 16, "part of the kernel ABI");

/* As pl_counters. */
struct pl_off_cpu_counters {
  __u64 switches;       /* BPF */
  __u64 timed_switches; /* BPF: the first of each PL_SWITCHES_PER_TIMED_SWITCH */
  __u64 timed_ns;       /* BPF: time spent in those */
  __u64 kept;           /* BPF: those whose stack was to be walked */
  __u64 kept_ns;        /* BPF: what that took beyond what any switch takes */
  __u64 above_ceiling;  /* BPF: samples that were more than PL_KEPT_IN_SLICE allows */
  __u64 missed;         /* BPF: samples whose thread was gone again before it could be looked at */
};
PL_STATIC_ASSERT(sizeof(struct pl_off_cpu_counters) == 56, "part of the kernel ABI");
#define PL_SWITCHES_PER_TIMED_SWITCH 64

/* The thread that a CPU has just gone over to. */
struct pl_back {
  __u64 slice;         /* of time, that `kept` is of */
  __u32 kept;          /* in the slice */
  __u32 samples;       /* 0 when there is nothing to be looked at */
  __u32 pid;           /* of the thread, as the initial pid namespace has it */
  __u32 wait;          /* pl_blocked */
  __u32 kernel_frames; /* at most PL_MAX_KERNEL_FRAMES */
  __u32 padding;
  __u64 frames[PL_MAX_KERNEL_FRAMES];
};

/* The walk of the sample at hand. */
struct pl_walk {
  __u64 hash; /* of the frames so far */
  __u32 n_user;
  __u32 end; /* PL_END_… */
  /* By tables: the frame that is left next. */
  __u64 pc; /* in its function: for a caller, within the call instruction */
  __u64 sp;
  __u64 fp;
  __u64 lr;             /* arm64: the link register, 0 but in the innermost frame */
  __u64 in_switch;      /* the frame at which it ends with PL_END_GO_SWITCH */
  __u32 is_interrupted; /* the frame was at pc by chance, not in a call */
  __u32 padding;
  struct pl_mapping mapping; /* that of pc */
  __u64 hash_before;         /* the last frame */
  /* In a JVM: */
  __u64 caller_sp;
  __u64 caller_fp;
  __u64 return_address;
  __u64 block[PL_CODE_BLOB_BYTES / 8]; /* as read */
};

/* One call of CPython's interpreter loop, whose frame of C holds `anchor`. It runs several frames of Python:
 * those of functions that call each other. */
struct pl_python_call {
  __u64 anchor;
  __u32 end; /* of its frames in pl_python_walk, exclusive */
  __u32 padding;
};
#define PL_MAX_PYTHON_FRAMES 128 /* a power of 2 */
#define PL_MAX_PYTHON_CALLS 64
/* Beyond those only the ends of calls are looked for. */
#define PL_MAX_PYTHON_STEPS 1024

struct pl_python_frame {
  __u64 code;     /* PL_PYTHON_FRAME | … */
  __u64 identity; /* pl_python_identity() */
};

/* The frames of Python of the thread at hand, the innermost first. */
struct pl_python_walk {
  __u64 anchor; /* of the next call that the walk of the stack comes to; 0 when there are no more */
  __u32 call;   /* its number */
  __u32 calls;
  __u32 frames;
  __u32 misfit;  /* 1 when what was read is not as it must be */
  __u32 is_full; /* 1 when there are more frames */
  __u32 padding;
  __u64 frame;                                            /* the next one */
  __u64 cframe;                                           /* of its call */
  __u64 previous_cframe;                                  /* of the call before */
  __u64 interpreter_frame[PL_PYTHON_FRAME_BYTES / 8 + 7]; /* as read; beyond it, for the verifier */
  __u64 code[PL_PYTHON_IDENTITY_WORDS];
  struct pl_python_frame of_thread[PL_MAX_PYTHON_FRAMES];
  struct pl_python_call of_call[PL_MAX_PYTHON_CALLS];
};

/* What is known of the process that was sampled last. */
struct pl_process {
  struct pl_go_program go;         /* all 0 for a process that is not there */
  struct pl_unwound unwound;       /* the same */
  struct pl_python_program python; /* the same */
  struct pl_jvm_program jvm;       /* the same */
  __u32 tgid;
  __u32 generation; /* of `go_programs`, `unwound`, `python_programs` and `jvm_programs` */
};

/* Element of the array `cpus`, by the number of the CPU; the agent has it mapped. */
struct pl_cpu {
  struct pl_slot slots[PL_SLOTS]; /* the agent clears them between windows */
  struct pl_counters counters;
  struct pl_off_cpu_counters off_cpu_counters;
  struct pl_back back;
  struct pl_process process;
  struct pl_walk walk;
  struct pl_python_walk python;
  struct pl_stack scratch; /* BPF: the sample at hand */
} __attribute__((aligned(64)));
PL_STATIC_ASSERT(sizeof(struct pl_cpu) % 64 == 0, "one CPU's cache lines are no other's");

#endif /* PILOTLIGHT_AGENT_CAPTURE_BPF_ABI_H_ */
