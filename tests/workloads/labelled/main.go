// Has something in each of the profiles of net/http/pprof, which it serves on localhost, with labels where Go has them.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
)

var (
	cart     = pprof.Labels("http_route", "/cart", "region", "north sea; [1]")
	checkout = pprof.Labels("http_route", "/checkout")
)

type shop struct {
	mutex sync.Mutex
	carts [][]byte
}

// Takes its place in line.
func step(x uint64) uint64 { return x*6364136223846793005 + 1442695040888963407 }

func total(x uint64) uint64 {
	for range make([]struct{}, 100000) {
		x = step(x)
	}
	return x
}

func (s *shop) add(x uint64) uint64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	x = total(x)
	if len(s.carts) < 1000 {
		s.carts = append(s.carts, make([]byte, 4096+x%4096))
	}
	return x
}

func (s *shop) serve(ctx context.Context, results chan<- uint64) {
	for x := uint64(1); ; x++ {
		pprof.Do(ctx, cart, func(context.Context) { x += s.add(x) })
		pprof.Do(ctx, checkout, func(context.Context) { x += s.add(x) + s.add(x+1) })
		results <- s.add(x)
	}
}

// A profile of goroutines, an instant's, has those with labels too.
func wait(labels pprof.LabelSet) {
	pprof.Do(context.Background(), labels, func(context.Context) { <-make(chan struct{}) })
}

func main() {
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(listener, nil)
	s := &shop{}
	results := make(chan uint64)
	for range make([]struct{}, 3) {
		go s.serve(context.Background(), results)
	}
	go wait(cart)
	go wait(checkout)
	go func() {
		for range results {
		}
	}()
	fmt.Printf("ready pid=%d url=http://%s\n", os.Getpid(), listener.Addr())
	io.Copy(io.Discard, os.Stdin)
}
