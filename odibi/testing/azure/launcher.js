// Starts the front (argv[2] is its port) and Azurite (argv[3] is its main module, the rest are its arguments), and ends
// with whoever started it: the end of stdin is the end of the parent, on every system. A line on stdin is a message, in
// JSON: `accounts` is a new value of AZURITE_ACCOUNTS, `front` is for the front. Each is answered by a line.
const fs = require("fs");
const path = require("path");
const front = require("./front.js");
const parent = process.ppid;
const folder = process.cwd();
// The parent could not clean up after itself: its certificates go too.
const end = () => {
  if (path.basename(folder).startsWith("odibi-sandbox-")) {
    try {
      process.chdir(path.dirname(folder));
      fs.rmSync(folder, { recursive: true, force: true });
    } catch (error) {} // somebody else's to remove
  }
  process.exit(0);
};
const refresh = [];
const every = global.setInterval;
// Azurite reads its accounts anew once a minute; its timer is kept here so that a new account is known at once.
global.setInterval = (work, delay, ...rest) => {
  if (delay === 60000) refresh.push(work);
  return every(work, delay, ...rest);
};
let text = "";
process.stdin.on("data", (chunk) => {
  text += chunk;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n")) {
    const message = JSON.parse(text.slice(0, at));
    text = text.slice(at + 1);
    if (message.accounts !== undefined) {
      process.env.AZURITE_ACCOUNTS = message.accounts;
      refresh.forEach((work) => work());
    }
    if (message.front) front.tell(message.front);
    console.log("known");
  }
});
process.stdin.on("end", end);
process.stdin.on("error", end);
// A process that inherited the other end of stdin keeps it open; a parent that is gone shows here as well.
every(() => process.ppid !== parent && end(), 1000).unref();
const [port, main] = process.argv.slice(2, 4);
process.argv.splice(1, 3, main);
front.listen(Number(port), (bound) => {
  console.log(`front at ${bound}`);
  require(main);
});
