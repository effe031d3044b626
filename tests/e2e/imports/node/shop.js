// Profiles itself for a second, into the file that is named.
const fs = require('fs');
const pprof = require('@datadog/pprof');

function price(n) {
  let total = 0;
  for (let i = 0; i < n; i++) total += Math.sqrt(i) % 7;
  return total;
}

function checkout() {
  return price(1e6);
}

pprof.time.start({intervalMicros: 5000, durationMillis: 1000});
const end = Date.now() + 1000;
while (Date.now() < end) checkout();
fs.writeFileSync(process.argv[2], pprof.encodeSync(pprof.time.stop()));
