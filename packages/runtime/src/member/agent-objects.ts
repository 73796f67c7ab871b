/** Objects of other nodes, as a member reaches them: its agent holds and fetches them. */
import type { StoreLocation } from "@iono/core";
import type { FetchPurpose, RemoteObjects } from "../objects/index.ts";
import type { AgentLink } from "./agent-link.ts";

export class AgentObjects implements RemoteObjects {
  readonly #agent: AgentLink;

  constructor(agent: AgentLink) {
    this.#agent = agent;
  }

  async hold(location: StoreLocation): Promise<void> {
    await this.#agent.request({ t: "hold object", location });
  }

  release(location: StoreLocation): void {
    this.#agent.notify({ t: "release object", location });
  }

  fetch(location: StoreLocation, purpose: FetchPurpose): Promise<StoreLocation> {
    return this.#agent.request<StoreLocation>({ t: "fetch object", location, purpose });
  }

  free(location: StoreLocation): void {
    this.#agent.notify({ t: "free object", location });
  }
}
