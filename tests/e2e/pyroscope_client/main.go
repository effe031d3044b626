// Calls a Pyroscope-compatible server with the client that Grafana has compiled in.
//
// Reads lines of {"method": "SelectSeries", "request": {…}} and answers each with a line: {"response": {…}} or
// {"code": "invalid_argument", "message": "…"}.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"

	"connectrpc.com/connect"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

type answer struct {
	Response json.RawMessage `json:"response,omitempty"`
	Code     string          `json:"code,omitempty"`
	Message  string          `json:"message,omitempty"`
}

type caller func(request []byte) (proto.Message, error)

// Makes a caller of a client's method.
func of[Q, A any](call func(context.Context, *connect.Request[Q]) (*connect.Response[A], error)) caller {
	return func(text []byte) (proto.Message, error) {
		question := new(Q)
		if err := protojson.Unmarshal(text, any(question).(proto.Message)); err != nil {
			log.Fatalf("%s: %v", text, err)
		}
		response, err := call(context.Background(), connect.NewRequest(question))
		if err != nil {
			return nil, err
		}
		return any(response.Msg).(proto.Message), nil
	}
}

func main() {
	url := flag.String("url", "", "of the server")
	useJSON := flag.Bool("json", false, "JSON instead of protobuf")
	useGzip := flag.Bool("gzip", false, "compressed requests")
	useGRPC := flag.Bool("grpc", false, "gRPC instead of Connect")
	flag.Parse()
	var options []connect.ClientOption
	if *useJSON {
		options = append(options, connect.WithProtoJSON())
	}
	if *useGzip {
		options = append(options, connect.WithSendGzip())
	} else {
		options = append(options, connect.WithAcceptCompression("gzip", nil, nil))
	}
	transport := &http.Transport{}
	if *useGRPC {
		options = append(options, connect.WithGRPC())
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	client := &http.Client{Transport: transport}
	querier := querierv1connect.NewQuerierServiceClient(client, *url, options...)
	pusher := pushv1connect.NewPusherServiceClient(client, *url, options...)
	methods := map[string]caller{
		"ProfileTypes":           of(querier.ProfileTypes),
		"LabelNames":             of(querier.LabelNames),
		"LabelValues":            of(querier.LabelValues),
		"Series":                 of(querier.Series),
		"SelectMergeStacktraces": of(querier.SelectMergeStacktraces),
		"SelectMergeSpanProfile": of(querier.SelectMergeSpanProfile),
		"SelectMergeProfile":     of(querier.SelectMergeProfile),
		"SelectSeries":           of(querier.SelectSeries),
		"SelectHeatmap":          of(querier.SelectHeatmap),
		"Diff":                   of(querier.Diff),
		"GetProfileStats":        of(querier.GetProfileStats),
		"AnalyzeQuery":           of(querier.AnalyzeQuery),
		"Push":                   of(pusher.Push),
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var question struct {
			Method  string
			Request json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &question); err != nil {
			log.Fatal(err)
		}
		var out answer
		response, err := methods[question.Method](question.Request)
		var failure *connect.Error
		if errors.As(err, &failure) {
			out.Code, out.Message = failure.Code().String(), failure.Message()
		} else if err != nil {
			log.Fatal(err)
		} else if out.Response, err = protojson.Marshal(response); err != nil {
			log.Fatal(err)
		}
		line, err := json.Marshal(out)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(line))
	}
}
