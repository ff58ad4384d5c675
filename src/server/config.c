#include "server/config.h"

const struct trusted_proxy *config_find_proxy(const struct config *config, struct address address)
{
    const struct trusted_proxy *found = NULL;
    for (uint32_t i = 0; i < config->trusted_proxies.list.count; i++) {
        const struct trusted_proxy *proxy = &config->trusted_proxies.items[i];
        bool is_better = found == NULL || (proxy->introduces && !found->introduces);
        if (is_better && address_range_contains(&proxy->range, address))
            found = proxy;
    }
    return found;
}

struct instance config_instance(const struct config *config)
{
    return (struct instance){
        .id = bytes_of_string(config->instance_id != NULL ? config->instance_id : ""),
        .region = bytes_of_string(config->region != NULL ? config->region : ""),
    };
}
