// Sends profiles to an OTLP server with OpenTelemetry's own exporter package, and prints what it answered: the response
// in JSON, or "error: …". go.mod has the current schema, previous.mod the one before.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/pprofile/pprofileotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Tables of a dictionary, each with its empty first entry.
type tables struct {
	pprofile.ProfilesDictionary
	functions map[string]int32
}

func newTables(dictionary pprofile.ProfilesDictionary) tables {
	dictionary.StringTable().Append("")
	dictionary.MappingTable().AppendEmpty()
	dictionary.LocationTable().AppendEmpty()
	dictionary.FunctionTable().AppendEmpty()
	dictionary.LinkTable().AppendEmpty()
	dictionary.AttributeTable().AppendEmpty()
	dictionary.StackTable().AppendEmpty()
	return tables{dictionary, map[string]int32{}}
}

func (t tables) text(text string) int32 {
	index, err := pprofile.SetString(t.StringTable(), text)
	if err != nil {
		log.Fatal(err)
	}
	return index
}

func (t tables) function(name string) int32 {
	if index, ok := t.functions[name]; ok {
		return index
	}
	index := int32(t.FunctionTable().Len())
	function := t.FunctionTable().AppendEmpty()
	function.SetNameStrindex(t.text(name))
	function.SetFilenameStrindex(t.text("/src/" + name + ".go"))
	t.functions[name] = index
	return index
}

// A location of functions that are inlined into each other, the innermost first.
func (t tables) location(names ...string) int32 {
	location := t.LocationTable().AppendEmpty()
	for i, name := range names {
		line := location.Lines().AppendEmpty()
		line.SetFunctionIndex(t.function(name))
		line.SetLine(int64(10 + i))
	}
	return int32(t.LocationTable().Len() - 1)
}

// A location without names.
func (t tables) address(binary string, address uint64) int32 {
	mapping := t.MappingTable().AppendEmpty()
	mapping.SetFilenameStrindex(t.text(binary))
	mapping.SetMemoryStart(0x400000)
	location := t.LocationTable().AppendEmpty()
	location.SetMappingIndex(int32(t.MappingTable().Len() - 1))
	location.SetAddress(0x400000 + address)
	return int32(t.LocationTable().Len() - 1)
}

// The innermost location first.
func (t tables) stack(locations ...int32) int32 {
	t.StackTable().AppendEmpty().LocationIndices().FromRaw(locations)
	return int32(t.StackTable().Len() - 1)
}

func (t tables) attribute(key, value string) int32 {
	attribute := t.AttributeTable().AppendEmpty()
	attribute.SetKeyStrindex(t.text(key))
	attribute.Value().SetStr(value)
	return int32(t.AttributeTable().Len() - 1)
}

func makeProfiles(service string, broken bool) pprofile.Profiles {
	profiles := pprofile.NewProfiles()
	t := newTables(profiles.Dictionary())
	resource := profiles.ResourceProfiles().AppendEmpty()
	attributes := resource.Resource().Attributes()
	attributes.PutStr("service.name", service)
	attributes.PutStr("k8s.namespace.name", "shops")
	attributes.PutStr("k8s.pod.name", "shop-1")
	attributes.PutStr("deployment.environment.name", "test")
	attributes.PutInt("process.pid", 42)
	attributes.PutEmptySlice("process.command_args").AppendEmpty().SetStr("--serve")
	scope := resource.ScopeProfiles().AppendEmpty()

	start := time.Now().Add(-20 * time.Second)
	add := func(kind, unit string) pprofile.Profile {
		profile := scope.Profiles().AppendEmpty()
		profile.SampleType().SetTypeStrindex(t.text(kind))
		profile.SampleType().SetUnitStrindex(t.text(unit))
		profile.SetTime(pcommon.NewTimestampFromTime(start))
		profile.SetDurationNano(uint64(10 * time.Second))
		profile.SetProfileID([16]byte{1, 2, 3, 15: 255})
		return profile
	}
	sample := func(profile pprofile.Profile, stack int32, values []int64, timestamps int) pprofile.Sample {
		sample := profile.Samples().AppendEmpty()
		sample.SetStackIndex(stack)
		sample.Values().FromRaw(values)
		for i := range timestamps {
			sample.TimestampsUnixNano().Append(uint64(start.UnixNano()) + uint64(i))
		}
		return sample
	}

	root := t.location("main.main")
	sum := t.stack(t.location("shop.add", "shop.Sum"), root)
	list := t.stack(t.location("shop.List[go.shape.int]"), root)
	native := t.stack(t.address("/usr/lib/libshop.so", 0x1234), root)
	thread := t.attribute("thread.name", "worker")
	cart := t.attribute("http.route", "/cart")

	cpu := add("samples", "count")
	cpu.PeriodType().SetTypeStrindex(t.text("cpu"))
	cpu.PeriodType().SetUnitStrindex(t.text("nanoseconds"))
	cpu.SetPeriod(10_000_000)
	sample(cpu, sum, nil, 3).AttributeIndices().Append(thread)
	sample(cpu, list, []int64{5}, 0).AttributeIndices().Append(thread, cart)
	sample(cpu, native, []int64{1, 1}, 2)

	heap := add("alloc_space", "bytes")
	sample(heap, list, []int64{4096}, 0)

	waiting := add("off_cpu", "nanoseconds")
	sample(waiting, sum, []int64{1000, 2000}, 2)
	if broken {
		sample(waiting, 1000, []int64{1}, 0)
	}
	return profiles
}

const tenantHeader = "X-Scope-OrgID"

func post(url, tenant, contentType string, body []byte, compress bool) (string, error) {
	var encoded bytes.Buffer
	if compress {
		writer := gzip.NewWriter(&encoded)
		writer.Write(body)
		writer.Close()
	} else {
		encoded.Write(body)
	}
	request, err := http.NewRequest(http.MethodPost, url+"/v1development/profiles", &encoded)
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", contentType)
	if compress {
		request.Header.Set("Content-Encoding", "gzip")
	}
	if tenant != "" {
		request.Header.Set(tenantHeader, tenant)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%d %q", answer.StatusCode, content)
	}
	response := pprofileotlp.NewExportResponse()
	if contentType == "application/json" {
		err = response.UnmarshalJSON(content)
	} else {
		err = response.UnmarshalProto(content)
	}
	return textOf(response), err
}

func textOf(response pprofileotlp.ExportResponse) string {
	return fmt.Sprintf("rejected %d: %s", response.PartialSuccess().RejectedProfiles(),
		response.PartialSuccess().ErrorMessage())
}

func main() {
	address := flag.String("grpc", "", "host:port, for gRPC")
	url := flag.String("http", "", "for HTTP")
	service := flag.String("service", "", "service.name")
	useJSON := flag.Bool("json", false, "JSON instead of protobuf, over HTTP")
	compress := flag.Bool("gzip", false, "compressed")
	broken := flag.Bool("broken", false, "one profile has a stack that is not there")
	version := flag.String("version", "", "nothing, to the service of this version in place of v1development, by gRPC")
	tenant := flag.String("tenant", "", "whose it is, by "+tenantHeader)
	flag.Parse()

	request := pprofileotlp.NewExportRequestFromProfiles(makeProfiles(*service, *broken))
	text, err := func() (string, error) {
		if *url != "" {
			if *useJSON {
				body, err := request.MarshalJSON()
				if err != nil {
					return "", err
				}
				return post(*url, *tenant, "application/json", body, *compress)
			}
			body, err := request.MarshalProto()
			if err != nil {
				return "", err
			}
			return post(*url, *tenant, "application/x-protobuf", body, *compress)
		}
		connection, err := grpc.NewClient(*address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return "", err
		}
		defer connection.Close()
		var options []grpc.CallOption
		if *compress {
			options = append(options, grpc.UseCompressor("gzip"))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if *tenant != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, tenantHeader, *tenant)
		}
		if *version != "" {
			method := "/opentelemetry.proto.collector.profiles." + *version + ".ProfilesService/Export"
			return "", connection.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{})
		}
		response, err := pprofileotlp.NewGRPCClient(connection).Export(ctx, request, options...)
		if err != nil {
			return "", err
		}
		return textOf(response), nil
	}()
	if err != nil {
		text = "error: " + err.Error()
	}
	fmt.Println(text)
}
