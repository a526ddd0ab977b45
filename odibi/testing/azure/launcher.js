// Starts Azurite (argv[2] is its main module, the rest are its arguments) and ends with whoever started it.
// A line on stdin is a new value of AZURITE_ACCOUNTS; the end of stdin is the end of the parent, on every system.
const fs = require("fs");
const path = require("path");
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
    process.env.AZURITE_ACCOUNTS = text.slice(0, at);
    text = text.slice(at + 1);
    refresh.forEach((work) => work());
    console.log("accounts are known");
  }
});
process.stdin.on("end", end);
process.stdin.on("error", end);
// A process that inherited the other end of stdin keeps it open; a parent that is gone shows here as well.
every(() => process.ppid !== parent && end(), 1000).unref();
const main = process.argv[2];
process.argv.splice(1, 2, main);
require(main);
