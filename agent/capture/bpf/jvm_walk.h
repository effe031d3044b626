/* Goes from frames of HotSpot's own code to their callers: the JVM's on x86-64, 11 to 21, by tables only.
 *
 * Its compilers keep no frame pointers, but the size of each frame, in a CodeBlob in front of the code; the
 * heaps that these are in have maps of their segments, by which a blob is found from an address in it. The
 * interpreter has frame pointers. What is found must fit: code that is returned to follows a call, an
 * interpreted frame holds a method and a place in it.
 *
 *   jvm_programs  processes that are a JVM; written by the agent */
#ifndef PILOTLIGHT_AGENT_CAPTURE_BPF_JVM_WALK_H_
#define PILOTLIGHT_AGENT_CAPTURE_BPF_JVM_WALK_H_

#include "cpus.h"
#include "user_position.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, struct pl_jvm_program);
} jvm_programs SEC(".maps");

/* Of chains in the map of segments: one step is up to 254 segments. */
#define MAX_SEGMENT_STEPS 64
#define SEGMENT_UNUSED 0xff

/* runtime/frame_x86.hpp: words of an interpreted frame, from its frame pointer down. */
#define INTERPRETED_WORDS 8
#define INTERPRETED_FRAME_BYTES (INTERPRETED_WORDS * 8)
#define PLACE_IN_METHOD 0 /* the bytecode, or 0 in a native method */
#define METHOD 5
#define LAST_SP 6 /* where the frame ended when it called; 0 while it calls none */
#define SENDER_SP 7
#define MAX_METHOD_BYTES (128 << 10)
/* What lies on the stack at most between a caller and an interpreted function that has no frame yet. Any
 * compiled function in between would need more. */
#define MAX_ENTRY_BYTES 24
#define MAX_STUB_FRAME_BYTES 4096
#define MAX_PUSHED_BYTES 16

#define BYTES_OF(word, first, count) (((word) >> 8 * (first)) & ((1ULL << 8 * (count)) - 1))

/* The block of the code at `pc`, and its blob; 0 when there is none. */
__noinline __u64 find_code_block(__u64 pc, __u32 cpu_number) {
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return 0; /* The verifier asks. */
  const struct pl_jvm_program* jvm = &cpu->process.jvm;
  const struct pl_code_heap* heap = &jvm->heaps[0];
  if (pc - heap->start >= heap->end - heap->start) heap = &jvm->heaps[1];
  if (pc - heap->start >= heap->end - heap->start) heap = &jvm->heaps[2];
  if (pc - heap->start >= heap->end - heap->start) return 0;
  const __u32 shift = jvm->segment_shift & 31;
  __u64 segment = (pc - heap->start) >> shift;
  for (__u32 i = 0; i < MAX_SEGMENT_STEPS; i++) {
    __u8 back;
    if (bpf_probe_read_user(&back, sizeof(back), (const void*)(heap->segments + segment)) != 0) return 0;
    if (back == 0) return heap->start + (segment << shift);
    if (back == SEGMENT_UNUSED || back > segment) return 0;
    segment -= back;
  }
  return 0;
}

/* Whether `before`, the eight bytes in front of an address, end with a call: of a number, or by a register or
 * memory. */
static __always_inline int ends_with_call(__u64 before) {
#define IS_CALL_BY(at) (BYTES_OF(before, at, 2) & 0x38ff) == 0x10ff
  return BYTES_OF(before, 3, 1) == 0xe8 || IS_CALL_BY(6) || IS_CALL_BY(5) || IS_CALL_BY(4) || IS_CALL_BY(2) ||
         IS_CALL_BY(1);
#undef IS_CALL_BY
}

static __always_inline int is_interpreter(const struct pl_jvm_program* jvm, __u64 address) {
  return address - jvm->interpreter < jvm->interpreter_bytes;
}

static __always_inline int is_call_site(const struct pl_jvm_program* jvm, __u64 address) {
  __u64 before;
  return is_interpreter(jvm, address) ||
         (bpf_probe_read_user(&before, sizeof(before), (const void*)(address - sizeof(before))) == 0 &&
          ends_with_call(before));
}

static __always_inline int is_in_jvm(const struct pl_jvm_program* jvm, __u64 address) {
  return address - jvm->start < jvm->bytes;
}

/* The frame's caller, as far as it is known. */
static __always_inline int set_caller(struct pl_walk* walk, __u64 sp, __u64 fp, __u64 return_address) {
  walk->caller_sp = sp;
  walk->caller_fp = fp;
  walk->return_address = return_address;
  return 0;
}

static __always_inline int find_caller_by_frame(struct pl_walk* walk, __u64 fp) {
  __u64 frame[2];
  if (bpf_probe_read_user(frame, sizeof(frame), (const void*)fp) != 0) return PL_END_UNREADABLE;
  return set_caller(walk, fp + FRAME_BYTES, frame[0], frame[1]);
}

/* Whose return address is on the top of the stack, or below the caller's frame pointer. */
static __always_inline int find_caller_on_top(struct pl_walk* walk, int fp_is_pushed) {
  if (fp_is_pushed) return find_caller_by_frame(walk, walk->sp);
  __u64 return_address;
  if (bpf_probe_read_user(&return_address, sizeof(return_address), (const void*)walk->sp) != 0)
    return PL_END_UNREADABLE;
  return set_caller(walk, walk->sp + sizeof(__u64), walk->fp, return_address);
}

/* Of an interpreted function. */
__noinline int find_caller_of_interpreted(__u32 cpu_number) {
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return PL_END_UNREADABLE; /* The verifier asks. */
  struct pl_walk* walk = &cpu->walk;
  const struct pl_jvm_program* jvm = &cpu->process.jvm;
  const __u64 fp = walk->fp;
  const __u64 sp = walk->sp;
  if (fp % sizeof(__u64) != 0 || fp < sp) return PL_END_IMPLAUSIBLE;
  __u64 words[INTERPRETED_WORDS + 2];
  if (bpf_probe_read_user(words, sizeof(words), (const void*)(fp - INTERPRETED_FRAME_BYTES)) != 0)
    return PL_END_UNREADABLE;
  const __u64 return_address = words[INTERPRETED_WORDS + 1];
  set_caller(walk, words[SENDER_SP], words[INTERPRETED_WORDS], return_address);
  if (fp - sp < INTERPRETED_FRAME_BYTES) {
    /* It is being made. */
    if (is_interpreter(jvm, return_address)) {
      walk->caller_sp = fp + FRAME_BYTES;
      return 0;
    }
    return fp == sp ? PL_END_IMPLAUSIBLE : 0;
  }
  if (walk->is_interrupted && words[LAST_SP] != 0 && words[LAST_SP] - sp > MAX_ENTRY_BYTES)
    return PL_END_IMPLAUSIBLE;
  __u64 method = 0;
  if (bpf_probe_read_user(&method, sizeof(method), (const void*)(words[METHOD] + jvm->method_constants)) != 0)
    return PL_END_IMPLAUSIBLE;
  if (words[PLACE_IN_METHOD] != 0 && words[PLACE_IN_METHOD] - method >= MAX_METHOD_BYTES)
    return PL_END_IMPLAUSIBLE;
  /* Of an interpreted caller it may be where the return address is. */
  return words[SENDER_SP] > fp ? 0 : PL_END_IMPLAUSIBLE;
}

/* Of code without a frame size: stubs. Most have frame pointers. They are called by the JVM itself, too. */
static __always_inline int find_caller_of_stub(struct pl_walk* walk, const struct pl_jvm_program* jvm) {
  const __u64 sp = walk->sp;
  const __u64 fp = walk->fp;
  const int may_be_frame = fp % sizeof(__u64) == 0 && fp >= sp;
  if (!walk->is_interrupted) return may_be_frame ? find_caller_by_frame(walk, fp) : PL_END_IMPLAUSIBLE;
  if (may_be_frame && fp - sp < MAX_STUB_FRAME_BYTES && find_caller_by_frame(walk, fp) == 0 &&
      is_call_site(jvm, walk->return_address))
    return 0;
  const int end = find_caller_on_top(walk, /*fp_is_pushed=*/0);
  return end != 0 || is_call_site(jvm, walk->return_address) ? end : PL_END_IMPLAUSIBLE;
}

/* An interrupted function may have pushed something on top of its frame of so many bytes. */
static __always_inline int find_caller_of_interrupted(struct pl_walk* walk, const struct pl_jvm_program* jvm,
                                                      __u64 bytes) {
#pragma unroll
  for (__u32 pushed = 0; pushed <= MAX_PUSHED_BYTES; pushed += sizeof(__u64)) {
    const int end = find_caller_by_frame(walk, walk->sp + bytes + pushed - FRAME_BYTES);
    if (end != 0) return end;
    if (is_in_jvm(jvm, walk->return_address) && is_call_site(jvm, walk->return_address)) return 0;
  }
  /* It may return to where it is deoptimized, which the next step knows. */
  return find_caller_by_frame(walk, walk->sp + bytes - FRAME_BYTES);
}

#define PUSH_RBP 0x55
#define POP_RBP 0x5d
#define MOV_RBP_RSP 0xec8b48
#define RET 0xc3
#define SUB_RSP_BYTE 0xec8348        /* then 1 byte */
#define SUB_RSP_WORD 0xec8148        /* then 4 bytes */
#define SAVE_RBP 0x246c8948          /* mov to the frame; then 1 byte */
#define CMP_THREAD_WORD 0x7f8141     /* then 5 bytes: garbage collectors look, when the frame is made */
#define CMP_RSP_THREAD_WORD 0xa73b49 /* then 4 bytes: whether to stop, when the frame is gone */
#define JA 0x870f

/* An interrupted function may have no frame yet, or none any more. */
enum frame_state { NO_FRAME, FP_PUSHED, WHOLE_FRAME };

static __always_inline enum frame_state find_frame_state(__u64 before, __u64 after, int is_complete) {
  if (BYTES_OF(after, 0, 1) == RET) return NO_FRAME;
  if (BYTES_OF(after, 0, 1) == POP_RBP) return FP_PUSHED;
  if (BYTES_OF(after, 0, 3) == CMP_RSP_THREAD_WORD) return NO_FRAME;
  if (BYTES_OF(before, 1, 3) == CMP_RSP_THREAD_WORD && BYTES_OF(after, 0, 2) == JA) return NO_FRAME;
  if (BYTES_OF(before, 7, 1) == PUSH_RBP && BYTES_OF(after, 0, 3) == MOV_RBP_RSP) return FP_PUSHED;
  if (is_complete) return WHOLE_FRAME;
  if (BYTES_OF(before, 7, 1) == PUSH_RBP || BYTES_OF(before, 5, 3) == MOV_RBP_RSP) return FP_PUSHED;
  if (BYTES_OF(before, 4, 3) == SUB_RSP_BYTE || BYTES_OF(before, 1, 3) == SUB_RSP_WORD ||
      BYTES_OF(before, 3, 4) == SAVE_RBP || BYTES_OF(before, 0, 3) == CMP_THREAD_WORD)
    return WHOLE_FRAME;
  return NO_FRAME;
}

#define BLOCK_INT(walk, offset) (*(const __s32*)((const char*)(walk)->block + ((offset)&0xfc)))
#define BLOCK_WORD(walk, offset) (*(const __u64*)((const char*)(walk)->block + ((offset)&0xf8)))

/* Of code that was compiled, and of stubs: walk->block is theirs. */
__noinline int find_caller_of_compiled(__u32 cpu_number) {
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return PL_END_UNREADABLE; /* The verifier asks. */
  struct pl_walk* walk = &cpu->walk;
  const struct pl_jvm_program* jvm = &cpu->process.jvm;
  const int is_interrupted = walk->is_interrupted;
  const __u64 address = walk->pc + !is_interrupted;
  struct {
    __u64 before;
    __u64 after;
  } code;
  if (bpf_probe_read_user(&code, sizeof(code), (const void*)(address - sizeof(code.before))) != 0)
    return PL_END_UNREADABLE;
  if (!is_interrupted && !ends_with_call(code.before) && BLOCK_WORD(walk, jvm->blob_deoptimized) != address &&
      BLOCK_WORD(walk, jvm->blob_deoptimized + 8) != address) {
    /* What was taken for a return address is none. */
    walk->n_user--;
    walk->hash = walk->hash_before;
    return PL_END_IMPLAUSIBLE;
  }
  enum frame_state state = WHOLE_FRAME;
  const __s32 words = BLOCK_INT(walk, jvm->blob_frame_size);
  if (is_interrupted) {
    const __s32 complete = BLOCK_INT(walk, jvm->blob_frame_complete);
    const __u64 begin = BLOCK_WORD(walk, jvm->blob_code);
    state = find_frame_state(code.before, code.after,
                             words < 2 || (complete >= 0 && address - begin >= (__u32)complete));
  }
  int end = 0;
  if (state != WHOLE_FRAME) {
    end = find_caller_on_top(walk, state == FP_PUSHED);
  } else if (words < 2) {
    return find_caller_of_stub(walk, jvm);
  } else if (is_interrupted) {
    end = find_caller_of_interrupted(walk, jvm, (__u64)words * sizeof(__u64));
  } else {
    end = find_caller_by_frame(walk, walk->sp + (__u64)words * sizeof(__u64) - FRAME_BYTES);
  }
  /* Only stubs have callers elsewhere. */
  return end != 0 || words < 2 || is_in_jvm(jvm, walk->return_address) ? end : PL_END_IMPLAUSIBLE;
}

/* Makes walk->return_address and what goes with it those of the caller of the walk's frame. Returns 0, or
 * PL_END_…. */
static __always_inline int find_caller_in_jvm(struct pl_cpu* cpu, __u32 cpu_number) {
  struct pl_walk* walk = &cpu->walk;
  const struct pl_jvm_program* jvm = &cpu->process.jvm;
  if (is_interpreter(jvm, walk->pc)) return find_caller_of_interpreted(cpu_number);
  const __u64 block = find_code_block(walk->pc, cpu_number);
  if (block == 0) return PL_END_NO_RULE;
  if (bpf_probe_read_user(walk->block, sizeof(walk->block), (const void*)block) != 0)
    return PL_END_UNREADABLE;
  if ((BLOCK_INT(walk, jvm->block_used) & 0xff) == 0) return PL_END_NO_RULE;
  return find_caller_of_compiled(cpu_number);
}

#endif /* PILOTLIGHT_AGENT_CAPTURE_BPF_JVM_WALK_H_ */
