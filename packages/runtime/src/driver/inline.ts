export class InlineRuntime { member: never; constructor(_o: unknown) { throw new Error("inline"); } async shutdown(): Promise<void> {} }
