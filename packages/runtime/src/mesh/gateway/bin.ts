/** The gateway process. Started by a head or an agent, which is connected to it by descriptor 3. */
import * as net from "node:net";
import { platform } from "../../platform/index.ts";
import { Gateway } from "./gateway.ts";
import { readGatewayOptions } from "./options.ts";

const options = readGatewayOptions();
platform().raiseFileLimit();
// Nothing is worth keeping: SIGKILL, so that a busy socket cannot hold the port.
platform().dieWithParent("SIGKILL", options.parentPid);
process.on("SIGINT", () => {});
process.on("SIGHUP", () => {});
process.title = "iono gateway";

const gateway = new Gateway(options);

function stop(code: number): void {
  gateway.close();
  process.exit(code);
}

process.on("SIGTERM", () => stop(0));
gateway.onTooLarge = (rssBytes) => {
  process.stderr.write(
    `iono: the gateway uses ${Math.round(rssBytes / 2 ** 20)} MiB, more than it may; it starts anew\n`,
  );
  stop(1);
};
gateway.locals.add(new net.Socket({ fd: 3 }), () => stop(0));
gateway.start().catch((error: unknown) => {
  gateway.fail((error as Error).message);
  // The message goes out first; the parent then closes the link.
  setTimeout(() => stop(1), 1000);
});
