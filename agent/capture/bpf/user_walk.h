/* Walks the frame pointers of a thread in user space, into its CPU's scratch stack. */
#ifndef PILOTLIGHT_AGENT_CAPTURE_BPF_USER_WALK_H_
#define PILOTLIGHT_AGENT_CAPTURE_BPF_USER_WALK_H_

#include "cpus.h"
#include "go_switch.h"
#include "table_walk.h"
#include "user_position.h"

#define CHUNK_BYTES 256
#define CHUNK_WORDS (CHUNK_BYTES / 8)

/* As many as the kernel's own walk takes by default. The verifier looks at each on its own. */
#define MAX_CHAIN_FRAMES 127

/* Memory of the thread's stack, of which one call reads several frames at once: most of the price is in
 * calls. What is read besides the frames goes nowhere. */
struct pl_chunk {
  __u64 start;
  __u64 bytes; /* that could be read; 0 at the begin of a walk */
  __u64 words[CHUNK_WORDS];
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pl_chunk);
} chunks SEC(".maps");

/* The first word of the frame at `fp` in this CPU's chunk, which has both; or -1 when it cannot be read.
 * Global, so that the verifier looks at it once and by itself. */
__noinline int read_frame(__u64 fp) {
  const __u32 zero = 0;
  struct pl_chunk* chunk = bpf_map_lookup_elem(&chunks, &zero);
  if (!chunk) return -1; /* The verifier asks. */
  const __u64 offset = fp - chunk->start;
  if (chunk->bytes >= FRAME_BYTES && offset <= chunk->bytes - FRAME_BYTES) return offset / sizeof(__u64);
  chunk->start = fp;
  chunk->bytes = CHUNK_BYTES;
  if (bpf_probe_read_user(chunk->words, CHUNK_BYTES, (const void*)fp) == 0) return 0;
  /* Near the end of the stack's memory. */
  chunk->bytes = FRAME_BYTES;
  return bpf_probe_read_user(chunk->words, FRAME_BYTES, (const void*)fp) == 0 ? 0 : -1;
}

/* Adds the frames from `fp` on to the stack of this `cpu_number`. Returns the `fp` of a frame at
 * which a Go program changed to g0, where it ends; else 0. Global, so that the verifier looks at it once and
 * by itself.
 *
 * Like the kernel's own walk (arch/x86/events/core.c, perf_callchain_user) it ends at the first frame that
 * cannot be read. */
__noinline __u64 walk_frames(__u64 fp, __u32 cpu_number) {
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return 0; /* The verifier asks. */
  const __u64 switches_start = cpu->process.go.start;
  const __u32 switches_bytes = cpu->process.go.switches_bytes;
  __u64 hash = cpu->walk.hash;
  __u32 count = cpu->walk.n_user;
  const __u32 zero = 0;
  struct pl_chunk* chunk = bpf_map_lookup_elem(&chunks, &zero);
  if (!chunk) return 0;
  chunk->bytes = 0;
  __u64 in_switch = 0;
  __u32 end = PL_END_TRUNCATED;
  for (__u32 i = 0; i < MAX_CHAIN_FRAMES; i++) {
    /* Or the compiler would keep a pointer to the next frame, whose bounds the verifier does not see. */
    asm volatile("" : "+r"(count));
    if (count >= PL_MAX_USER_FRAMES) break;
    if (fp == 0) {
      end = PL_END_OUTERMOST;
      break;
    }
    if (fp % sizeof(__u64) != 0) {
      end = PL_END_UNREADABLE;
      break;
    }
    const int word = read_frame(fp);
    if (word < 0) {
      end = PL_END_UNREADABLE;
      break;
    }
    if (word > CHUNK_WORDS - 2) break; /* The verifier asks. */
    const __u64 return_address = chunk->words[word + 1];
    if (return_address == 0) {
      end = PL_END_OUTERMOST;
      break;
    }
    cpu->scratch.frames[count] = return_address;
    count++;
    hash = pl_mix(hash, return_address);
    const __u64 offset_of_code = return_address - switches_start;
    if (offset_of_code < switches_bytes && is_switch(offset_of_code, cpu_number)) {
      in_switch = fp;
      end = PL_END_GO_SWITCH;
      break;
    }
    if (chunk->words[word] == fp) {
      end = PL_END_UNREADABLE;
      break;
    }
    fp = chunk->words[word];
  }
  cpu->walk.n_user = count;
  cpu->walk.hash = hash;
  cpu->walk.end = end;
  return in_switch;
}

/* Adds the callers of the frame at `from`, whose own address is added already. Returns the frame at which a
 * Go program changed to g0, where it ends; else 0. */
static __always_inline __u64 walk_callers(struct pl_cpu* cpu, __u32 cpu_number, struct user_position from,
                                          int is_caller) {
  if (cpu->process.unwound.count == 0) return walk_frames(from.fp, cpu_number);
  cpu->walk.pc = from.ip - is_caller;
  cpu->walk.sp = from.sp;
  cpu->walk.fp = from.fp;
  cpu->walk.lr = from.lr;
  cpu->walk.in_switch = 0;
  cpu->walk.is_interrupted = !is_caller;
  cpu->python.anchor = 0;
  const int runs_python = cpu->process.python.code_instructions != 0;
  if (runs_python) find_python_frames(cpu_number);
  cpu->walk.end = walk_by_tables(cpu, cpu_number);
  if (runs_python && (cpu->python.misfit || (cpu->python.anchor != 0 && cpu->walk.end == PL_END_OUTERMOST)))
    cpu->scratch.flags |= PL_STACK_WITHOUT_PYTHON;
  return cpu->walk.in_switch;
}

/* Go's functions that call none have no frame, nor has any at its begin and end: frame pointers lead past
 * their callers, whose addresses are on the top of the stack. Which code this is only the agent knows.
 * Returns the address that was added, or 0. */
static __always_inline __u64 add_top(struct pl_cpu* cpu, struct user_position from) {
  const struct pl_go_program* go = &cpu->process.go;
  __u64 top;
  if (from.ip - go->text_start >= go->text_bytes) return 0;
  if (bpf_probe_read_user(&top, sizeof(top), (const void*)from.sp) != 0) return 0;
  if (top - go->text_start >= go->text_bytes) return 0;
  cpu->scratch.flags |= PL_STACK_WITH_TOP;
  add_frame(cpu, top);
  return top;
}

/* Where a Go program changed to g0 it goes on with the goroutine, or ends: what the frame pointer has there,
 * in some versions, is of a stack that may have changed since, or lacks a caller. */
static __always_inline void walk_user_stack(struct user_position from, struct pl_cpu* cpu, __u32 cpu_number) {
  add_frame(cpu, from.ip);
  struct user_position caller = from;
  int is_caller = 0;
  if (returns_to_switch(cpu, cpu_number, from.ip)) {
    if (!find_caller_in_switch(cpu, from, &caller)) return;
    cpu->scratch.flags |= PL_STACK_JOINED;
    add_frame(cpu, caller.ip);
    caller.lr = 0;
    is_caller = 1;
  } else {
    const __u64 top = add_top(cpu, from);
    if (top != 0 && find_caller_of_top(cpu, from, top, &caller)) {
      cpu->scratch.flags |= PL_STACK_JOINED;
      add_frame(cpu, caller.ip);
      caller.lr = 0;
      is_caller = 1;
    }
  }
  const __u64 in_switch = walk_callers(cpu, cpu_number, caller, is_caller);
  if (in_switch != 0 && find_caller_of_switch(cpu, from.g, in_switch, &caller)) {
    cpu->scratch.flags |= PL_STACK_JOINED;
    add_frame(cpu, caller.ip);
    caller.lr = 0;
    walk_callers(cpu, cpu_number, caller, /*is_caller=*/1);
  }
}

#endif /* PILOTLIGHT_AGENT_CAPTURE_BPF_USER_WALK_H_ */
