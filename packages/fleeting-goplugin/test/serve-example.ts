// A plugin's executable by hand: for a name, a version or an entry of your own. The template has a shorter way.
import { goPluginCommand } from '@runner-core/fleeting-goplugin/serve'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-local'

await goPluginCommand(createInstanceGroup, { name: 'fleeting-plugin-mine', version: '1.0.0' }, process.argv.slice(2))
