// Prints what the Go runtime itself says of its addresses, for a reader of the same binary to be compared with.
//
// Lines of fields that tabs separate:
//
//	pc     OFFSET  INLINED FUNCTION FILE LINE START   one address of the text; the innermost function alone
//	chain  OFFSET  (INLINED FUNCTION FILE LINE START)…  the same with its callers up to the function that is not inlined
//	mcall  OFFSET                               entry of runtime.mcall
//	done   COUNT
//
// START is the line at which the function begins, 0 before Go 1.20. OFFSET is from the entry of main.anchor, so it is the same wherever the program is loaded.
package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"strings"
)

//go:noinline
func anchor() uintptr { return reflect.ValueOf(anchor).Pointer() }

// Names of its instances have spaces, semicolons, brackets and dots.
type pair[A, B any] struct {
	first  A
	second B
}

//go:noinline
func sumOf[T any](values []T, add func(T) int) int {
	total := 0
	for _, value := range values {
		total += add(value)
	}
	record()
	return total
}

//go:noinline
func (p *pair[A, B]) swap() pair[B, A] {
	record()
	return pair[B, A]{p.second, p.first}
}

type shop struct{ orders int }

//go:noinline
func (s *shop) order(count int) int {
	s.orders += count
	record()
	return s.orders
}

func (s shop) total() int { return leaf(s.orders) }

type totaler interface{ total() int }

// Inlined into each other, all into caller().
func leaf(n int) int   { record(); return n + 1 }
func middle(n int) int { return leaf(n) * 2 }
func outer(n int) int  { return middle(n) + 3 }

//go:noinline
func caller(n int) int { return outer(n) - 1 }

var chains [][]uintptr

// The stack from its caller up.
//
//go:noinline
func record() {
	pcs := make([]uintptr, 32)
	chains = append(chains, pcs[:runtime.Callers(2, pcs)])
}

func field(frame runtime.Frame) string {
	inlined := 0
	if frame.Func == nil {
		inlined = 1
	}
	start := int64(0)
	if line := reflect.ValueOf(frame).FieldByName("startLine"); line.IsValid() {
		start = line.Int()
	}
	return fmt.Sprintf("\t%d\t%s\t%s\t%d\t%d", inlined, frame.Function, frame.File, frame.Line, start)
}

// From Go 1.24 on, CallersFrames gives the inlined callers too when another address follows.
func printChain(out *bufio.Writer, base, pc uintptr, rest []uintptr) {
	frames := runtime.CallersFrames(append([]uintptr{pc}, rest...))
	fmt.Fprintf(out, "chain\t%d", int64(pc-1-base))
	for {
		frame, more := frames.Next()
		if frame.PC == 0 {
			break
		}
		out.WriteString(field(frame))
		if frame.Func != nil || !more {
			break
		}
	}
	out.WriteString("\n")
}

func expandsInlined() bool {
	minor := 0
	fmt.Sscanf(runtime.Version(), "go1.%d", &minor)
	return minor >= 24
}

func exercise() {
	caller(len(os.Args))
	s := &shop{}
	method := s.order
	method(2)
	var t totaler = s
	t.total()
	closure := func(n int) int { record(); return n * s.orders }
	closure(3)
	type line struct {
		Count  int64
		Cycles int64
		Note   string
	}
	sumOf([]line{{1, 2, "a;b"}}, func(l line) int { return int(l.Count) })
	sumOf([]struct {
		Count int64
		Next  *int
	}{{}}, func(struct {
		Count int64
		Next  *int
	}) int {
		return 1
	})
	p := &pair[string, struct{ X, Y int }]{first: "x"}
	p.swap()
	func() {
		defer func() {
			record()
			_ = recover()
		}()
		panic("expected")
	}()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { record() })
	request, _ := http.NewRequest("GET", "/", strings.NewReader(""))
	http.DefaultServeMux.ServeHTTP(nil, request)
}

func main() {
	exercise()
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	base := anchor()
	count := 0
	for _, pcs := range chains {
		for i := 0; i < len(pcs); {
			printChain(out, base, pcs[i], pcs[i+1:])
			// The callers that are inlined here have an address of their own each.
			for inlined := true; inlined && i < len(pcs); i++ {
				frame, _ := runtime.CallersFrames(pcs[i : i+1]).Next()
				inlined = frame.Func == nil
			}
			count++
		}
	}
	// The text is one run of functions, padding included.
	low, high := base, base
	for runtime.FuncForPC(low-1) != nil {
		low--
	}
	for runtime.FuncForPC(high) != nil {
		high++
	}
	for pc := low; pc+1 < high; pc += 37 {
		// CallersFrames wants the address after the one in question, which must not be another function's.
		if runtime.FuncForPC(pc+1).Entry() == pc+1 {
			continue
		}
		frame, _ := runtime.CallersFrames([]uintptr{pc + 1}).Next()
		fmt.Fprintf(out, "pc\t%d%s\n", int64(pc-base), field(frame))
		if frame.Func == nil && expandsInlined() {
			printChain(out, base, pc+1, []uintptr{0})
		}
		count++
	}
	if f := findMcall(low, high); f != 0 {
		fmt.Fprintf(out, "mcall\t%d\n", int64(f-base))
	}
	fmt.Fprintf(out, "done\t%d\n", count)
}

func findMcall(low, high uintptr) uintptr {
	for pc := low; pc < high; pc += 16 {
		if f := runtime.FuncForPC(pc); f != nil && f.Name() == "runtime.mcall" {
			return f.Entry()
		}
	}
	return 0
}
