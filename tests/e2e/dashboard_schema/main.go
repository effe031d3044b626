// dashboard_schema: whether the dashboard on standard input has all fields that Grafana requires, and none that it does
// not know, its panels' options and its data sources' questions included.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/grafanapyroscope"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func check(text []byte) error {
	runtime := cog.NewRuntime()
	runtime.RegisterPanelcfgVariant(timeseries.VariantConfig())
	runtime.RegisterDataqueryVariant(prometheus.VariantConfig())
	profiles := grafanapyroscope.VariantConfig()
	profiles.Identifier = "grafana-pyroscope-datasource" // as Grafana itself calls the data source
	runtime.RegisterDataqueryVariant(profiles)
	err := new(dashboard.Dashboard).UnmarshalJSONStrict(text)
	// What was found may be a list of nothing.
	var found cog.BuildErrors
	if errors.As(err, &found) && len(found) == 0 {
		return nil
	}
	return err
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = check(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
